"""Studies: many runs over one base, whose equal stages are done once, and one table of all their results."""

from shortstack.studies.result import StudyResult as StudyResult
from shortstack.studies.study import Study as Study
