"""Django storages that fail in different ways."""

from typing import Any, ClassVar

from django.core.files.storage import FileSystemStorage


class AwayStorage(FileSystemStorage):
    """Takes nothing, gives nothing."""

    def _save(self, name: str, content: Any) -> str:
        raise ConnectionError("the storage is away")

    def _open(self, name: str, mode: str = "rb") -> Any:
        raise ConnectionError("the storage is away")

    def delete(self, name: str) -> None:
        raise ConnectionError("the storage is away")


class HalfStorage(FileSystemStorage):
    """Dies in the middle of a file."""

    def _save(self, name: str, content: Any) -> str:
        content.file.truncate(1)
        super()._save(name, content)
        raise ConnectionResetError("the line broke")


class RenamingStorage(FileSystemStorage):
    """Gives files names of its own, as storages may."""

    def get_available_name(self, name: str, max_length: int | None = None) -> str:
        return f"renamed/{name}"


class CountingStorage(FileSystemStorage):
    """Keeps the name of each file that is opened."""

    opened: ClassVar[list[str]] = []

    def _open(self, name: str, mode: str = "rb") -> Any:
        self.opened.append(name)
        return super()._open(name, mode)
