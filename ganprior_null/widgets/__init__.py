"""Figures, live panels and answer checks for the notebooks: the only place that imports matplotlib and ipywidgets."""

from ..lessons.exercises import check_answer as check_answer
from .figures import plot as plot
from .figures import show as show
from .follow import FollowRun as FollowRun
from .panel import panel as panel
from .quiz import quiz as quiz
from .tables import table as table
