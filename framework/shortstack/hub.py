"""Models on the Hugging Face Hub: which files of a folder go there, and how."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final

from shortstack.boundaries import read_as
from shortstack.digests import require_whole
from shortstack.errors import ConfigurationError, SourceNotFoundError, UploadError
from shortstack.run_layout import CARD

if TYPE_CHECKING:
    from huggingface_hub import HfApi

_RECOMMENDER: Final = "recommender.json"
_UPLOADED: Final = (
    CARD,
    "LICENSE",
    "LICENSE.*",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "model-?????-of-?????.safetensors",
    "model.safetensors.index.json",
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "items.jsonl",
    "options.json",
    _RECOMMENDER,
)
"""Names of what a model needs, and no others: a folder may also hold records of settings, checkpoints, notes or a token."""


def files_to_upload(folder: Path) -> list[Path]:
    """Return the plain files of a recommender's folder that belong on the hub, by name.

    Raises:
        SourceNotFoundError: The folder is no recommender's.
        DataError: A file is not as the run wrote it.
    """
    if not (folder / _RECOMMENDER).is_file():
        raise SourceNotFoundError(
            f"{folder / _RECOMMENDER} is not there: {folder} is no recommender that shortstack saved"
        )
    require_whole(folder)
    files = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.is_symlink()]
    return [path for path in files if any(fnmatchcase(path.name, name) for name in _UPLOADED)]


def require_name(name: str) -> None:
    """Raise if a name is no repository's.

    Raises:
        ConfigurationError: It is not NAMESPACE/NAME as the hub allows it.
    """
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # it is public: in __all__

    try:
        validate_repo_id(name)
        if name.count("/") != 1:
            raise HFValidationError("it has no namespace")  # noqa: TRY301 -- one message for both
    except HFValidationError as error:
        raise ConfigurationError(
            f"a repository is NAMESPACE/NAME, of letters, digits, '-', '_' and '.', got {name!r}"
        ) from error


def upload(files: Sequence[Path], name: str, *, private: bool) -> str:
    """Make a repository on the hub if there is none, and upload files of one folder to it.

    Where the hub is, and who uploads, huggingface_hub reads from the environment and its own files.

    Args:
        files: The files.
        name: NAMESPACE/NAME.
        private: True to make it private; it stays as it is if it is there already.

    Returns:
        The repository's address.

    Raises:
        ConfigurationError: The name is wrong, or there is no token.
        UploadError: The hub refuses, or cannot be reached.
    """
    from huggingface_hub import HfApi, get_token

    require_name(name)
    if get_token() is None:
        raise ConfigurationError("there is no token for the hub: set HF_TOKEN, or log in with hf auth login")
    api = HfApi(library_name="shortstack")
    with read_as(name, f"cannot be uploaded to {api.endpoint}", "the same command begins again", error=UploadError):
        address = api.create_repo(name, private=private or None, exist_ok=True)
        _upload(api, files, name)
        return str(address)


def _upload(api: "HfApi", files: Sequence[Path], name: str) -> None:
    try:
        api.upload_folder(
            repo_id=name,
            folder_path=files[0].parent,
            allow_patterns=[path.name for path in files],
            commit_message="Upload a recommender made by shortstack",
        )
    except RuntimeError as error:  # says which file, and why only in its cause
        raise error.__cause__ or error from None
