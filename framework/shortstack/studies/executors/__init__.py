"""Where the stages of a study are performed: in this process, in several on this machine, or on a Ray cluster."""

from shortstack.studies.executors.choice import Choice as Choice
from shortstack.studies.executors.choice import executor_of as executor_of
from shortstack.studies.executors.executor import Ended as Ended
from shortstack.studies.executors.executor import Executor as Executor
from shortstack.studies.executors.executor import Work as Work
