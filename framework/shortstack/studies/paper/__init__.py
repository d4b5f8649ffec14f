"""A study's paper: an article in LaTeX whose every figure is filled in from the results."""

from shortstack.studies.paper.compiled import compiled as compiled
from shortstack.studies.paper.written import write_paper as write_paper
