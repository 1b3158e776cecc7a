"""A deployment's settings: read once, secrets masked, every refusal naming the setting and what to write."""

from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from bus.secret import Secret
from bus.settings import Settings, examined, load, offline
from errors import ConfigurationError

MINIMAL = """
    [deployment]
    name = "test"
    [kafka]
    bootstrap = "env:KAFKA"
    [registry]
    url = "http://registry"
    [projection]
    dsn = "env:PROJECTION"
    [connections.shop]
    system = "clarity"
    store_dsn = "env:STORE"
    url = "http://shop"
    password = "env:PASSWORD"
    webhook_secrets = ["env:NEW", "env:OLD"]
    [connections.shop.options]
    section_suffix = "-x"
    [connections.erp]
    system = "dynamics-gp"
    store_dsn = "env:STORE"
    odbc = "file:secrets/odbc"
    dialect = "postgresql"
    in_flight = 8
    [connections.erp.capture]
    host = "db"
    port = "env:PORT"
    database = "TWO"
    user = "cdc"
    password = "env:PASSWORD"
    [[pairs]]
    store = "shop"
    erp = "erp"
"""
ENVIRON = {
    "KAFKA": "k:9092",
    "PROJECTION": "postgresql://p",
    "STORE": "postgresql://s",
    "PASSWORD": "swordfish",
    "NEW": "whsec_new",
    "PORT": "5432",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "deployments" / "demo"
    (folder / "lookups").mkdir(parents=True)
    (folder / "secrets").mkdir()
    (folder / "secrets" / "odbc").write_text("DRIVER=x;PWD=hidden\n")
    (folder / "lookups" / "sites.csv").write_text("key,value\nnorth,NORTH\n")
    (folder / "towpath.toml").write_text(dedent(MINIMAL))
    return tmp_path


def changed(root: Path, old: str, new: str) -> Settings:
    path = root / "deployments" / "demo" / "towpath.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return load(ENVIRON, root)


def test_deployment_is_read_whole(root: Path) -> None:
    settings = load(ENVIRON, root)

    shop, erp = settings.connection("shop"), settings.connection("erp")
    assert (settings.deployment, settings.kafka, settings.registry) == ("test", "k:9092", "http://registry")
    assert (shop.name, shop.system, shop.options) == ("shop", "clarity", {"section_suffix": "-x"})
    assert [secret.reveal() for secret in shop.webhook_secrets] == ["whsec_new"]
    assert erp.odbc is not None
    assert erp.odbc.reveal() == "DRIVER=x;PWD=hidden"
    assert erp.capture is not None
    assert (erp.capture.port, erp.in_flight, erp.dialect) == (5432, 8, "postgresql")
    assert settings.lookups.find("sites", "north") == "NORTH"
    assert [each.name for each in settings.of_system("clarity")] == ["shop"]


def test_secrets_print_masked(root: Path) -> None:
    shown = repr(load(ENVIRON, root))

    for hidden in ("swordfish", "whsec_new", "hidden", "postgresql://"):
        assert hidden not in shown
    assert str(Secret("swordfish")) == "Secret(***)"


def test_environment_is_laid_over_the_deployment(root: Path) -> None:
    over = root / "deployments" / "demo" / "environments"
    over.mkdir()
    (over / "prod.toml").write_text('[connections.shop]\nurl = "https://shop"\n')

    settings = load({**ENVIRON, "TOWPATH_ENVIRONMENT": "prod"}, root)

    assert settings.connection("shop").url == "https://shop"
    assert settings.connection("shop").system == "clarity"


def test_local_values_lie_below_the_environment(root: Path) -> None:
    local = root / ".towpath" / "environment"
    local.mkdir(parents=True)
    (local / "stack.json").write_bytes(msgspec.json.encode({"KAFKA": "local:1", "OLD": "whsec_old"}))

    settings = load(ENVIRON, root)

    assert settings.kafka == "k:9092"
    assert [secret.reveal() for secret in settings.connection("shop").webhook_secrets] == ["whsec_new", "whsec_old"]


@pytest.mark.parametrize(
    ("old", "new", "setting", "told"),
    [
        ('name = "test"', "", "deployment.name", "missing"),
        ('bootstrap = "env:KAFKA"', 'bootstrap = "env:KAFKAH"', "kafka.bootstrap", "KAFKAH is not set"),
        ('dsn = "env:PROJECTION"', 'dsn = "postgresql://p"', "projection.dsn", 'write "env:NAME"'),
        ("in_flight = 8", "in_flites = 8", "connections.erp.in_flites", "there are:"),
        ("in_flight = 8", 'in_flight = "many"', "connections.erp.in_flight", "Expected `int`"),
        ("in_flight = 8", "in_flight = 0", "connections.erp.in_flight", "above 0"),
        ("in_flight = 8", "most_rows = 0", "connections.erp.most_rows", "above 0"),
        ("in_flight = 8", "circuit_delay_s = -1", "connections.erp.circuit_delay_s", "above 0"),
        ("in_flight = 8", "requests_per_minute = 59", "connections.erp.requests_per_minute", "at least 60"),
        ('system = "clarity"\n', "", "connections.shop.system", "missing"),
        ('"file:secrets/odbc"', '"file:secrets/none"', "connections.erp.odbc", "cannot read"),
        ('["env:NEW", "env:OLD"]', '["env:OLD"]', "connections.shop.webhook_secrets", "none of them is set"),
        ('erp = "erp"', 'erp = "other"', "connections.other", "there are: erp, shop"),
        ("in_flight = 8", 'time_zone = "Mars"', "connections.erp.time_zone", "no time zone"),
        ("[connections.shop]", "[connections.Shop]", "connections.Shop", "lower case"),
    ],
)
def test_refusal_names_the_setting(root: Path, old: str, new: str, setting: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        changed(root, old, new)

    assert refused.value.facts["setting"] == setting
    assert told in refused.value.message
    assert "swordfish" not in str(refused.value)


@pytest.mark.parametrize("pairs", ["pairs = 5", 'pairs = "shop"', "[pairs]"])
def test_pairs_that_are_no_tables_are_told(root: Path, pairs: str) -> None:
    path = root / "deployments" / "demo" / "towpath.toml"
    text = path.read_text().replace("[[pairs]]", "[pairs]" if pairs == "[pairs]" else "[other]")
    path.write_text(text if pairs == "[pairs]" else f"{pairs}\n{text}")

    _, faults = examined(ENVIRON, root)

    assert faults == ("pairs: write each as a table [[pairs]] in towpath.toml",)
    with pytest.raises(ConfigurationError, match="pairs"):
        load(ENVIRON, root)


def test_all_that_is_wrong_with_a_connection_is_told_at_once(root: Path) -> None:
    path = root / "deployments" / "demo" / "towpath.toml"
    wrong = (
        ('store_dsn = "env:STORE"\nodbc', "odbc"),
        ("in_flight = 8", 'in_flight = "many"\nmost_rows = 0\ntime_zone = "Mars"\nmost_row = 1'),
        ('host = "db"\n', ""),
        ('"env:PORT"', '"env:NO_PORT"'),
        ('database = "TWO"', "database = 2"),
    )
    text = dedent(MINIMAL)
    for old, new in wrong:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)

    settings, faults = examined(ENVIRON, root)

    assert [fault.partition(": ")[0].removeprefix("connections.erp.") for fault in faults] == [
        *("in_flight", "most_row", "capture.port", "capture.database", "capture.host", "store_dsn", "time_zone"),
        "most_rows",
    ]
    assert list(settings.connections) == ["shop", "erp"]
    with pytest.raises(ConfigurationError, match="in_flight"):
        load(ENVIRON, root)


def test_what_cannot_be_read_at_all_is_left_out_and_told_once(root: Path) -> None:
    path = root / "deployments" / "demo" / "towpath.toml"
    text = dedent(MINIMAL).replace('system = "dynamics-gp"\n', "").replace('erp = "erp"\n', "")
    path.write_text(text.replace("[connections.shop]", "[connections]\nother = 5\n[connections.shop]"))

    settings, faults = examined(ENVIRON, root)

    assert [fault.partition(":")[0] for fault in faults] == [
        "connections.other",
        "connections.erp.system",
        "pairs[1].erp",
    ]
    assert (list(settings.connections), settings.pairs) == (["shop"], ())


def test_file_that_is_no_text_is_told_with_its_line(root: Path) -> None:
    path = root / "deployments" / "demo" / "towpath.toml"
    path.write_bytes(b"# one\n# caf\xe9\n" + path.read_bytes())

    for read in (load, offline, examined):
        with pytest.raises(ConfigurationError, match=r"towpath\.toml: line 2 is not UTF-8 text") as refused:
            read(ENVIRON, root)
        assert refused.value.facts["setting"] == str(path)


def test_file_of_a_secret_that_is_no_text_is_told_without_it(root: Path) -> None:
    (root / "deployments" / "demo" / "secrets" / "odbc").write_bytes(b"PWD=\xe9hidden")

    with pytest.raises(ConfigurationError, match=r"connections\.erp\.odbc: .* is not UTF-8 text") as refused:
        load(ENVIRON, root)

    assert refused.value.__cause__ is None


def test_mapping_that_is_no_file_is_told_and_hides_no_other(root: Path) -> None:
    mappings = root / "deployments" / "demo" / "mappings"
    (mappings / "folder.yaml").mkdir(parents=True)
    (mappings / "gone.yaml").symlink_to("nowhere")
    (mappings / "there.yaml").write_text("mapping: mappings/there\n")

    settings, faults = examined(ENVIRON, root)

    assert [fault.partition(": put")[0] for fault in faults] == [
        "mappings/folder.yaml: cannot be read: Is a directory",
        "mappings/gone.yaml: cannot be read: No such file or directory",
    ]
    assert list(settings.mappings) == ["mappings/there.yaml"]
    with pytest.raises(ConfigurationError, match=r"mappings/folder\.yaml"):
        load(ENVIRON, root)


def test_lookup_that_is_no_table_is_told_and_hides_no_other(root: Path) -> None:
    lookups = root / "deployments" / "demo" / "lookups"
    (lookups / "sizes.csv").write_text("key,value\na,1\na,2\n")

    settings = load(ENVIRON, root)

    assert settings.lookup_faults == ("lookups/sizes.csv: 'a' stands there twice, in lines 2 and 3",)
    assert settings.lookups.find("sites", "north") == "NORTH"


def test_missing_deployment_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load({**ENVIRON, "TOWPATH_DEPLOYMENT": "deployments/none"}, root)

    assert refused.value.facts["setting"] == "TOWPATH_DEPLOYMENT"
