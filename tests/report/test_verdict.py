"""The verdict says what happened, good or bad."""

from pathlib import Path

import pytest

from shortstack.report import verdict


@pytest.fixture
def spoken(result):
    """The verdict with some comparisons of NDCG@10 replaced; None takes one away."""

    def speak(*, fresh_teacher=False, **replaced):
        comparisons = dict(result.comparisons)
        for name, estimate in replaced.items():
            key = name.replace("_", "-").replace("student-teacher", "student/teacher")
            comparisons[key] = {"ndcg@10": estimate}
        return verdict(
            metrics=result.metrics,
            comparisons=comparisons,
            parameters=result.parameters,
            selection=result.selection,
            fresh_teacher=fresh_teacher,
        )

    return speak


def test_the_first_line_says_what_was_kept_and_at_what_size(spoken):
    """Share, interval, layers, both parameter counts, both figures."""
    expected = (
        "The student keeps 95.5% of the teacher's NDCG@10 (95% interval 91.0% to 99.0%) with 3 of 12 layers, "
        "25% of the body's parameters and 40% of all parameters: 0.0630 against 0.0660."
    )

    assert expected == spoken().splitlines()[0]


def test_a_win_over_scratch_is_said(spoken):
    """The whole interval lies above 0."""
    expected = (
        "Distillation paid: the student beats a model of its size trained from scratch (+0.0030 [+0.0010, +0.0050]"
    )

    assert expected in spoken()


def test_a_draw_with_scratch_is_said(spoken):
    """The interval includes 0: not shown to pay."""
    text = spoken(student_scratch=[0.001, -0.002, 0.004])

    assert "is as good within the uncertainty (student − scratch +0.0010 [−0.0020, +0.0040] NDCG@10)" in text
    assert "do not show that distillation paid" in text


def test_a_draw_that_leans_to_scratch_is_said(spoken):
    """The interval includes 0, but scratch is ahead."""
    text = spoken(student_scratch=[-0.0147, -0.0307, 0.0009])

    assert "is as good or better within the uncertainty (student − scratch −0.0147" in text


def test_a_floor_that_beats_the_student_is_said(spoken):
    """The verdict says that a baseline is better."""
    text = spoken(**{"student-markov": [-0.03, -0.032, -0.028]})

    assert "The student is worse than Markov (−0.0300 [−0.0320, −0.0280]) in NDCG@10: use that instead." in text


def test_a_loss_to_scratch_is_said(spoken):
    """The interval lies below 0: the advice is to train the small model."""
    text = spoken(student_scratch=[-0.004, -0.006, -0.001])

    assert "Distillation did not pay: a model of the student's size trained from scratch is better" in text
    assert "Train the small model directly." in text


def test_cost_and_gain_come_first(result):
    """Quality and size, speed, what distillation repaired; then the small model that was trained directly."""
    speed = {"users_per_second": 10.0, "ms_per_user_1": 4.0}
    parts = {name: getattr(result, name) for name in ("metrics", "comparisons", "parameters", "selection")}
    lines = verdict(**parts, speed={"student": {**speed, "users_per_second": 30.0}, "teacher": speed}).splitlines()

    beginnings = ("The student keeps ", "The student is 3.0 × as fast", "Distillation repaired", "Distillation paid: ")
    assert [line[: len(start)] for line, start in zip(lines, beginnings, strict=False)] == [*beginnings]


@pytest.mark.parametrize("scratch", [[-0.004, -0.006, -0.001], [-0.0147, -0.0307, 0.0009]])
def test_where_compression_pays_is_said(spoken, scratch):
    """After a finding for the small model, if the teacher knew nothing but the data; and to a page that exists."""
    sentence = "compression pays where a teacher knows more, as a pretrained language model may: "
    (line,) = [line for line in spoken(fresh_teacher=True, student_scratch=scratch).splitlines() if sentence in line]

    assert "trained from scratch" in line
    assert (Path(__file__).parents[2] / line.partition(sentence)[2].removesuffix(".")).is_file()
    assert sentence not in spoken(student_scratch=scratch)
    assert sentence not in spoken(fresh_teacher=True)


def test_a_missing_scratch_is_said(spoken):
    """Nothing is claimed that was not measured."""
    assert "No model of the student's size was trained without the teacher" in spoken(student_scratch=None)


def test_what_distillation_repaired_is_said(spoken):
    """Against the pruned teacher, won or not, or unknown."""
    assert "Distillation repaired what cutting layers broke: +0.0480" in spoken()
    assert "did not measurably improve on the pruned teacher" in spoken(student_pruned=[0.0, -0.1, 0.1])
    assert "pruned" not in spoken(student_pruned=None)


def test_a_teacher_that_beats_the_floors_is_said(spoken):
    """The verdict gives each baseline with its difference."""
    expected = "The teacher beats the baselines popularity (+0.0460 [+0.0400, +0.0520]) and Markov (+0.0160"

    assert expected in spoken()


def test_a_teacher_that_a_floor_matches_is_a_warning(spoken):
    """Baselines that are not clearly beaten come first, beaten ones second."""
    text = spoken(teacher_markov=[0.001, -0.001, 0.003], teacher_item_knn=[-0.1, -0.2, -0.05])

    assert "Be careful: the teacher does not clearly beat item-KNN (−0.1000 [−0.2000, −0.0500]) and Markov" in text
    assert "though it beats popularity" in text


def test_an_undefined_ratio_is_said(spoken):
    """A teacher without a single hit has no share to keep."""
    expected = (
        "The student was built with 3 of 12 layers, 25% of the body's parameters and 40% of all parameters; what share"
    )

    assert spoken(student_teacher=None).startswith(expected)


def test_cases_that_were_left_out_are_said(result):
    """The number of excluded cases, the total and the reason; nothing where users never return."""

    def last(**cases):
        return verdict(
            metrics=result.metrics,
            comparisons=result.comparisons,
            parameters=result.parameters,
            selection=result.selection,
            cases=cases,
        ).splitlines()[-1]

    assert last(evaluated=1_900, repeats=100, left_out=100, seen="exclude") == (
        "100 of 2,000 test cases (5.0%) are left out: their targets are in the users' histories, whose items are no "
        "candidates (evaluation.seen = 'exclude')."
    )
    assert last(evaluated=2_000, repeats=420, left_out=0, seen="include") == (
        "21.0% of the test targets are in the users' histories, whose items are candidates like all others, and are "
        "recommended (evaluation.seen = 'include')."
    )
    assert "histories" not in last(evaluated=2_000, repeats=0, left_out=0, seen="exclude")
    assert "histories" not in last(evaluated=2_000)


@pytest.mark.parametrize(("users", "words"), [(1, "With one test user"), (29, "With 29 test users")])
def test_too_few_users(result, users, words):
    """Below thirty nothing is claimed of quality; thirty are enough."""
    parts = {name: getattr(result, name) for name in ("metrics", "comparisons", "parameters", "selection")}
    lines = verdict(**parts, cases={"users": users}).splitlines()

    assert lines[0].startswith("The student was built with ")
    assert lines[1].startswith(f"{words}, no comparison between models means anything")
    assert not [line for line in lines if "95%" in line or "beats" in line or "paid" in line]
    assert "95% interval" in verdict(**parts, cases={"users": 30})
