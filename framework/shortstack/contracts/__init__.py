"""The interfaces between the core and plugins: protocols, descriptors, traits and value types.

Importing this package imports neither torch nor transformers nor polars.
"""

from shortstack.contracts.column_names import usual_columns
from shortstack.contracts.datasets import DatasetAdapter, Download, Edition, Interaction, Records, Sample, Skipped
from shortstack.contracts.descriptors import (
    DatasetDescriptor,
    Descriptor,
    LossDescriptor,
    NoSettings,
    ScorerDescriptor,
    StudentDescriptor,
)
from shortstack.contracts.losses import AttentionInputs, DistillationLoss, LossBatch, ModelOutputs, Output
from shortstack.contracts.means import LayerMeans, MeanScorer, Terms
from shortstack.contracts.scorers import (
    DecoderLayers,
    DerivedScorer,
    FoldScorer,
    Importance,
    LayerSignals,
    Probe,
    ProbeScorer,
    Scorer,
    Signal,
)
from shortstack.contracts.selection import Selection
from shortstack.contracts.students import StudentArchitecture
from shortstack.contracts.traits import DatasetTraits, LossTraits, ScorerTraits, StudentTraits

__all__ = [
    "AttentionInputs",
    "DatasetAdapter",
    "DatasetDescriptor",
    "DatasetTraits",
    "DecoderLayers",
    "DerivedScorer",
    "Descriptor",
    "DistillationLoss",
    "Download",
    "Edition",
    "FoldScorer",
    "Importance",
    "Interaction",
    "LayerMeans",
    "LayerSignals",
    "LossBatch",
    "LossDescriptor",
    "LossTraits",
    "MeanScorer",
    "ModelOutputs",
    "NoSettings",
    "Output",
    "Probe",
    "ProbeScorer",
    "Records",
    "Sample",
    "Scorer",
    "ScorerDescriptor",
    "ScorerTraits",
    "Selection",
    "Signal",
    "Skipped",
    "StudentArchitecture",
    "StudentDescriptor",
    "StudentTraits",
    "Terms",
    "usual_columns",
]
