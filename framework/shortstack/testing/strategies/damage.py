"""Strategies for damaged files, and for sources that no adapter should recognise."""

from hypothesis import strategies as st

from shortstack.testing.recipes.damage import DAMAGES, Damage, OtherSource


def damages() -> st.SearchStrategy[Damage]:
    """Draw one damage to one of some files."""
    return st.builds(
        Damage, kind=st.sampled_from([*DAMAGES, "lost file"]), file=st.integers(0, 3), place=st.integers(0, 9_999)
    )


def other_sources() -> st.SearchStrategy[OtherSource]:
    """Draw empty folders, and files that no adapter should recognise."""
    return st.builds(
        OtherSource,
        kind=st.sampled_from(["empty folder", "folder", "file"]),
        name=st.sampled_from(["notes.xyz", "picture.bin", "README", "backup~"]),
        content=st.sampled_from(["", "hello\n", "1,2,3\n4,5,6\n", "1\t2\t3\t4\n", "{}\n", "\0\xff\xfe"]),
    )
