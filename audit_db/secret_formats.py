"""What known secrets look like, one line a format.

Each format has hints: plain pieces of text of which one must occur before the pattern is tried at all, so that ordinary
text costs a few substring searches. A pattern masks its group `secret`, or the whole match where it has none. The
formats are those that the issuers document; `_START` keeps a format from matching inside a longer word, and knows that
`\\n` in JSON text or `%3D` in a URL is not part of the word.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_START = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt])|(?<=%[0-9A-Fa-f]{2}))"
_END = r"(?![A-Za-z0-9])"


@dataclass(frozen=True, slots=True)
class SecretFormat:
    """One kind of secret. `check` looks at what the pattern found and may say that it is none."""

    name: str
    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    check: Callable[[str], bool] = field(default=lambda _: True)


def _token(name: str, hint: str, body: str, end: str = _END) -> SecretFormat:
    """A secret that starts with the literal `hint` and goes on with `body`."""
    return SecretFormat(name, (hint,), re.compile(f"{_START}{re.escape(hint)}{body}{end}"))


def _in_context(
    name: str, hints: tuple[str, ...], pattern: str, check: Callable[[str], bool] | None = None
) -> SecretFormat:
    """A secret that only its surroundings give away."""
    compiled = re.compile(pattern, re.IGNORECASE)
    return SecretFormat(name, hints, compiled, check) if check else SecretFormat(name, hints, compiled)


def _is_user_and_password(text: str) -> bool:
    """Whether base64 text decodes to `user:password`, as in HTTP Basic (RFC 7617)."""
    try:
        return ":" in base64.b64decode(text + "=" * (-len(text) % 4), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False


def _mixed(text: str) -> bool:
    """Whether the text holds a digit and a letter: random tokens do, words joined by hyphens do not."""
    return any(c.isdigit() for c in text) and any(c.isalpha() for c in text)


_W = r"[A-Za-z0-9_-]"
_RANDOM = (
    rf"(?=[a-z0-9_-]{{0,200}}[A-Z])(?={_W}{{0,200}}[0-9])"  # with capitals and digits, unlike a name in kebab-case
)
_PEM_BODY = r"(?:\s|\\[rn]|(?:Proc-Type|DEK-Info|Version|Comment): [^\n\\]{0,200}|[A-Za-z0-9+/=]{1,200})*+"

FORMATS: tuple[SecretFormat, ...] = (
    SecretFormat(
        "private_key",
        ("PRIVATE KEY",),
        re.compile(
            rf"-----BEGIN [A-Z0-9 ]{{0,30}}PRIVATE KEY(?: BLOCK)?-----{_PEM_BODY}"
            r"(?:-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?"
        ),
    ),
    _token("age_key", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
    SecretFormat("aws_access_key", ("AKIA", "ASIA"), re.compile(rf"{_START}(?:AKIA|ASIA)[A-Z2-7]{{16}}{_END}")),
    _in_context(
        "aws_secret_key",
        ("aws", "AWS", "Secret"),
        r"(?:aws_?secret_?access_?key|aws_?secret_?key|SecretAccessKey)[\"'\\]{0,3}\s{0,3}[:=]\s{0,3}[\"'\\]{0,3}"
        r"(?P<secret>[A-Za-z0-9/+]{40})(?![A-Za-z0-9/+])",
    ),
    _token("gcp_api_key", "AIza", rf"{_W}{{35}}"),
    _token("google_oauth", "ya29.", rf"{_W}{{20,}}"),
    _token("google_oauth", "GOCSPX-", rf"{_W}{{28}}"),
    _in_context("azure_storage_key", ("AccountKey=",), r"AccountKey=(?P<secret>[A-Za-z0-9+/]{86}==)"),
    _in_context("azure_sas", ("sig=",), r"[?&;]sig=(?P<secret>[A-Za-z0-9%+/]{40,}(?:%3D|=))"),
    SecretFormat(
        "azure_client_secret",
        ("Q~",),
        re.compile(r"(?<![\w.~-])[A-Za-z0-9_~.-]{3}[0-9]Q~[A-Za-z0-9_~.-]{31,34}(?![\w~-])"),
    ),
    _token("github_token", "github_pat_", r"[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    SecretFormat("github_token", ("gh",), re.compile(rf"{_START}gh[pousr]_[A-Za-z0-9]{{36,255}}{_END}")),
    SecretFormat(
        "gitlab_token",
        ("gl",),
        re.compile(
            rf"{_START}gl(?:pat|ptt|dt|rt|cbt|soat|oas|ft|agent|imt|ffct)-[A-Za-z0-9_.-]{{19,300}}[A-Za-z0-9_-]"
        ),
    ),
    SecretFormat("slack_token", ("xox",), re.compile(rf"{_START}xox[abcdeoprs]-[A-Za-z0-9.-]{{9,}}[A-Za-z0-9]")),
    _token("slack_token", "xapp-", r"[0-9]-[A-Za-z0-9-]{20,}"),
    _in_context(
        "slack_webhook",
        ("hooks.slack.com",),
        r"hooks\.slack\.com/(?:services|workflows)/(?P<secret>[A-Za-z0-9/_+-]{20,})",
    ),
    _in_context(
        "discord_webhook", ("/webhooks/",), rf"discord(?:app)?\.com/api/webhooks/[0-9]{{5,}}/(?P<secret>{_W}{{60,}})"
    ),
    SecretFormat("telegram_token", (":AA",), re.compile(rf"{_START}[0-9]{{8,10}}:AA{_W}{{33}}(?!{_W})")),
    _token("anthropic_key", "sk-ant-", rf"{_W}{{20,}}", ""),
    _token("openai_key", "sk-", rf"{_RANDOM}{_W}{{20,}}", ""),
    _token("groq_key", "gsk_", r"[A-Za-z0-9]{40,}"),
    _token("huggingface_token", "hf_", r"[A-Za-z0-9]{30,}"),
    _token("replicate_token", "r8_", r"[A-Za-z0-9]{37}"),
    SecretFormat(
        "stripe_key", ("_live_", "_test_"), re.compile(rf"{_START}(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{{16,}}")
    ),
    _token("stripe_key", "whsec_", r"[A-Za-z0-9+/=]{24,}", ""),
    SecretFormat("square_token", ("sq0",), re.compile(rf"{_START}sq0(?:atp|csp)-{_W}{{22,43}}")),
    SecretFormat("shopify_token", ("shp",), re.compile(rf"{_START}shp(?:at|ca|pa|ss)_[0-9a-fA-F]{{32}}{_END}")),
    _token("npm_token", "npm_", r"[A-Za-z0-9]{36}"),
    _token("pypi_token", "pypi-AgE", rf"{_W}{{50,}}", ""),
    _token("docker_token", "dckr_pat_", rf"{_W}{{20,}}", ""),
    SecretFormat("digitalocean_token", ("_v1_",), re.compile(rf"{_START}do[opr]_v1_[0-9a-f]{{64}}{_END}")),
    _token("databricks_token", "dapi", r"[0-9a-f]{32}(?:-[0-9])?"),
    _token("vault_token", "hvs.", rf"{_W}{{24,}}", ""),
    _token("atlassian_token", "ATATT3", r"[A-Za-z0-9_=-]{50,}", ""),
    _token("linear_key", "lin_api_", r"[A-Za-z0-9]{40}"),
    _token("sendgrid_key", "SG.", rf"{_W}{{22}}\.{_W}{{43}}"),
    SecretFormat("twilio_key", ("SK",), re.compile(rf"{_START}SK[0-9a-f]{{32}}{_END}")),
    SecretFormat(
        "jwt", ("eyJ",), re.compile(rf"{_START}eyJ{_W}{{8,2000}}+\.{_W}{{0,4000}}+\.{_W}*(?:\.{_W}+\.{_W}+)?")
    ),
    _in_context(
        "bearer_token",
        ("earer", "EARER"),
        r"\bbearer(?:\s|%20|\+){1,3}(?P<secret>[A-Za-z0-9._~+/-]{16,}={0,2})",
        _mixed,
    ),
    _in_context(
        "basic_auth", ("asic", "ASIC"), r"\bbasic\s{1,3}(?P<secret>[A-Za-z0-9+/]{4,}={0,2})", _is_user_and_password
    ),
    _in_context("url_password", ("://",), r"://[^\s/:@?#\"'<>]{0,200}:(?P<secret>[^\s/?#\"'<>]{1,300})@"),
    SecretFormat(
        "environment_secret",
        ("=",),
        re.compile(
            r"(?<![A-Za-z0-9])(?:[A-Z0-9]{1,40}_){0,6}(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|API_?KEY|SECRET_KEY|PRIVATE_KEY)"
            r"=[\"']?(?P<secret>[^\s\"'\\$<{\[]{6,})"
        ),
    ),
)
"""In the order in which they are tried: narrow formats before wide ones."""

SECRET_KEYS = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "client_secret",
        "secret_key",
        "api_key",
        "apikey",
        "aws_secret_access_key",
        "secretaccesskey",
        "access_token",
        "refresh_token",
        "auth_token",
        "private_key",
    }
)
"""Names of JSON members whose text value is a secret, whatever it looks like (compared in lower case, `-` as `_`)."""
