"""The student architectures that come with shortstack: one method a file."""

from collections.abc import Iterator

from shortstack.contracts import StudentDescriptor
from shortstack.hooks import hookimpl


@hookimpl
def shortstack_students() -> Iterator[StudentDescriptor]:
    """Yield the built-in student architectures."""
    from shortstack_students import compact, layer_subset, replacement_layer

    yield layer_subset.DESCRIPTOR
    yield compact.DESCRIPTOR
    yield replacement_layer.DESCRIPTOR
