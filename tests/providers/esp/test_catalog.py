"""One module for each ESP, and the catalog names them all."""

from pathlib import Path

from anymail.backends.base import AnymailBaseBackend
from django.utils.module_loading import import_string

from providers.esp import services
from providers.esp.catalog import ESPS

FOLDER = Path(next(iter(services.__path__)))


def test_every_module_of_the_folder_is_in_the_catalog_under_its_name():
    assert sorted(ESPS) == sorted(path.stem for path in FOLDER.glob("*.py") if path.stem != "__init__")


def test_every_esp_names_classes_that_there_are_and_a_way_to_ask():
    for name, esp in ESPS.items():
        assert esp.name == name
        assert issubclass(import_string(esp.backend), AnymailBaseBackend), name
        assert bool(esp.probe) != bool(esp.ask), name
        assert esp.secrets <= {*esp.needed, *esp.possible}, name


def test_an_esp_that_signs_its_events_has_a_setting_for_the_key():
    for name, esp in ESPS.items():
        assert bool(esp.event_key) == bool(esp.check_signature), name
        assert not esp.event_key or esp.event_key in esp.possible, name
