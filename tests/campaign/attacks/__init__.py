"""All attacks, one module a kind."""

from campaign.attacks import (
    answers,
    archives,
    command_lines,
    configs,
    data_files,
    interruptions,
    model_folders,
    run_files,
    user_files,
)
from campaign.hunting import Attack

ATTACKS = (
    Attack(name="kills", cases=interruptions.kills, share=3.0, shrinks=False),
    Attack(name="full disks", cases=interruptions.full_disks, share=1.5, shrinks=False),
    Attack(name="file limits", cases=interruptions.file_limits, share=1.0, shrinks=False),
    Attack(name="run files", cases=run_files.cases, share=3.0),
    Attack(name="configs", cases=configs.cases, share=1.5),
    Attack(name="data files", cases=data_files.cases, share=1.5),
    Attack(name="user files", cases=user_files.cases),
    Attack(name="archives", cases=archives.cases),
    Attack(name="model folders", cases=model_folders.cases, share=2.0),
    Attack(name="command lines", cases=command_lines.cases, share=1.5),
    Attack(name="answers", cases=answers.cases, share=0.5),
)
"""Kills and full disks take whole runs each, so they get more time than what takes a tenth of a second."""
