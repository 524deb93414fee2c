"""A wrong setting ends the start with one line that names the variable and holds no secret."""

import pytest
from chassis_echo.workbench import Process
from pydantic import TypeAdapter, ValidationError

from fettle_chassis.settings import ServiceSettings, ServiceUrl, SettingsError

KEY = "A" * 44
GOOD = {"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092", "FETTLE_SIGNING_KEYS": f"one:{KEY}"}
SASL = {
    "FETTLE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
    "FETTLE_KAFKA_SASL_MECHANISM": "SCRAM",
    "FETTLE_KAFKA_SASL_USERNAME": "ann",
    "FETTLE_KAFKA_SASL_PASSWORD": "topsecret",
}


@pytest.mark.rule("OP-24")
@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"FETTLE_KAFKA_BOOTSTRAP_SERVERS": ""}, "FETTLE_KAFKA_BOOTSTRAP_SERVERS is missing"),
        ({"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "a:b"}, "FETTLE_KAFKA_BOOTSTRAP_SERVERS must be host:port"),
        ({"FETTLE_KAFKA_BOOTSTRAP_SERVERS": "a:9092,b"}, "FETTLE_KAFKA_BOOTSTRAP_SERVERS must be host:port"),
        ({"FETTLE_TOPIC_PREFIX": "a b/"}, "FETTLE_TOPIC_PREFIX must match"),
        ({"FETTLE_GROUP_PREFIX": "a b/"}, "FETTLE_GROUP_PREFIX must match"),
        ({"FETTLE_HTTP_HOST": "not a host"}, "FETTLE_HTTP_HOST must match"),
        ({"FETTLE_SIGNING_KEYS": ""}, "FETTLE_SIGNING_KEYS is missing"),
        ({"FETTLE_SIGNING_KEYS": "topsecret"}, "FETTLE_SIGNING_KEYS must be id:base64"),
        ({"FETTLE_SIGNING_KEYS": "a:topsecret!"}, "FETTLE_SIGNING_KEYS holds a key .a. that is not base64"),
        ({"FETTLE_SIGNING_KEYS": "a:topsecret"}, "FETTLE_SIGNING_KEYS holds a key .a. "),
        ({"FETTLE_SIGNING_KEYS": f"a:{KEY},a:{KEY}"}, "FETTLE_SIGNING_KEYS holds the same key id twice"),
        ({"FETTLE_SLOT": "one"}, "FETTLE_SLOT must be a whole number"),
        ({"FETTLE_HTTP_PORT": "70000"}, "FETTLE_HTTP_PORT must be at most 65535"),
        ({"FETTLE_DATABASE_URL": "mysql://topsecret@x"}, "FETTLE_DATABASE_URL must begin with postgresql://"),
        ({"FETTLE_DATABASE_URL": "topsecret"}, "FETTLE_DATABASE_URL must be a URL"),
        ({"FETTLE_KAFKA_SSL_CA": "/nowhere"}, "FETTLE_KAFKA_SSL_CA"),
        ({"FETTLE_KAFKA_SSL_CERT": __file__}, "FETTLE_KAFKA_SSL_CERT and FETTLE_KAFKA_SSL_KEY go together"),
        (SASL | {"FETTLE_KAFKA_SASL_PASSWORD": ""}, "needs FETTLE_KAFKA_SASL_MECHANISM, _USERNAME and _PASSWORD"),
        (SASL | {"FETTLE_KAFKA_SECURITY_PROTOCOL": "SSL"}, "FETTLE_KAFKA_SASL_MECHANISM needs"),
        (SASL | {"FETTLE_KAFKA_SASL_MECHANISM": "OAUTHBEARER"}, "needs FETTLE_KAFKA_SASL_TOKEN_URL"),
    ],
)
def test_the_line_names_the_variable(changes: dict[str, str], line: str) -> None:
    with pytest.raises(SettingsError, match=line) as refused:
        ServiceSettings.load(GOOD | changes)
    assert "\n" not in str(refused.value)
    assert "topsecret" not in str(refused.value)


@pytest.mark.rule("OP-24")
def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        ServiceSettings.load({"FETTLE_SLOT": "x"})
    assert {line.split()[0] for line in str(refused.value).split("; ")} == {
        "FETTLE_KAFKA_BOOTSTRAP_SERVERS",
        "FETTLE_SIGNING_KEYS",
        "FETTLE_SLOT",
    }


@pytest.mark.rule("OP-24")
def test_secrets_do_not_show() -> None:
    settings = ServiceSettings.load(GOOD | SASL | {"FETTLE_DATABASE_URL": "postgresql://ann:topsecret@db"})
    assert "topsecret" not in repr(settings)
    assert KEY not in repr(settings)


@pytest.mark.rule("OP-24")
def test_each_service_has_a_database_of_its_own() -> None:
    settings = ServiceSettings.load(
        GOOD
        | {
            "FETTLE_DATABASE_URL": "postgresql://ann:pw@db:5433/ignored?sslmode=require",
            "FETTLE_HEALTH_DATABASE_URL": "postgresql://other/health",
        }
    )
    assert settings.database_dsn("tickets") == "postgresql://ann:pw@db:5433/fettle_tickets?sslmode=require"
    assert settings.database_dsn("health") == "postgresql://other/health"
    with pytest.raises(SettingsError, match="FETTLE_DATABASE_URL or FETTLE_TICKETS_DATABASE_URL"):
        ServiceSettings.load(GOOD).database_dsn("tickets")


@pytest.mark.rule("OP-24")
@pytest.mark.parametrize(
    ("host", "beside"),
    [
        ("127.0.0.1", "http://127.0.0.1:8081"),
        ("0.0.0.0", "http://127.0.0.1:8081"),
        ("::", "http://[::1]:8081"),
        ("::1", "http://[::1]:8081"),
        ("tickets", "http://tickets:8081"),
    ],
)
def test_a_service_beside_is_found_by_the_host_of_its_own(host: str, beside: str) -> None:
    assert ServiceSettings.load(GOOD | {"FETTLE_HTTP_HOST": host}).beside(8081) == beside
    TypeAdapter(ServiceUrl).validate_python(beside)


@pytest.mark.rule("OP-24")
@pytest.mark.parametrize(
    "url", ["tickets:8081", "http://", "http://:x", "http://ann:pw@tickets", "http://a/?b", "ftp://a"]
)
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(ServiceUrl).validate_python(url)
    TypeAdapter(ServiceUrl).validate_python("https://fettle.example.com/tickets")


@pytest.mark.rule("OP-24")
async def test_a_process_with_a_wrong_setting_ends_with_status_2() -> None:
    process = await Process.start(GOOD | {"FETTLE_SIGNING_KEYS": "x"})
    assert await process.ended() == 2
    assert process.lines == ["echo: FETTLE_SIGNING_KEYS must be id:base64, separated by commas, newest first"]


@pytest.mark.rule("OP-24")
async def test_a_process_with_an_unknown_role_or_no_database_ends_with_status_2() -> None:
    process = await Process.start(GOOD, "cook")
    assert await process.ended() == 2
    assert process.lines == ["echo: unknown role 'cook', it is one of service, relay"]
    process = await Process.start(GOOD)
    assert await process.ended() == 2
    assert process.lines == ["echo: FETTLE_DATABASE_URL or FETTLE_TICKETS_DATABASE_URL must be set"]
