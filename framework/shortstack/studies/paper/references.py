"""References of the paper: those that the descriptors of the components give."""

from typing import TYPE_CHECKING

import attrs

from shortstack.errors import ShortstackError
from shortstack.studies.paper.latex import escaped

if TYPE_CHECKING:
    from shortstack.registry import Kind, Registry


@attrs.frozen(kw_only=True)
class References:
    """The references that were cited so far.

    Attributes:
        registry: The plugins, whose descriptors hold them.
        cited: Reference → its key, in the order of citation.
    """

    registry: "Registry"
    cited: dict[str, str] = attrs.field(factory=dict)

    def about(self, kind: "Kind", name: str) -> str:
        """Return what a component's descriptor says of it, with a citation; empty where the plugin is not here."""
        try:
            descriptor = self.registry.find(kind, name).descriptor
        except ShortstackError:  # a given object, or a plugin that is not installed where the paper is written
            return ""
        return escaped(descriptor.summary) + self._citation(descriptor.reference)

    def _citation(self, reference: str) -> str:
        if not reference:
            return ""
        return rf"~\cite{{{self.cited.setdefault(reference, f'ref{len(self.cited) + 1}')}}}"

    def section(self) -> str:
        """Return the list of what was cited; empty if nothing was."""
        entries = "\n".join(rf"\bibitem{{{key}}} {escaped(reference)}." for reference, key in self.cited.items())
        return (
            f"\\begin{{thebibliography}}{{{len(self.cited)}}}\n{entries}\n\\end{{thebibliography}}" if entries else ""
        )
