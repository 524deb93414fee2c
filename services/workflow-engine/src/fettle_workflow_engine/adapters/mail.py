"""A message by mail (SMTP, RFC 5321): to a server that was judged, over TLS unless the channel says otherwise."""

import asyncio
import contextlib
import email.utils
import ssl
from collections.abc import Sequence
from datetime import datetime
from email.message import EmailMessage

import aiosmtplib

from fettle_workflow_engine.adapters.destinations import Destinations
from fettle_workflow_engine.domain.calls import Done, Failed, Outcome, Retry
from fettle_workflow_engine.domain.channels import EmailSettings
from fettle_workflow_engine.domain.destinations import MAIL_PORTS, Barred
from fettle_workflow_engine.domain.notifications import Message, recipients, title_of
from fettle_workflow_engine.domain.resolve import InputFailed
from fettle_workflow_engine.domain.run import Failure
from fettle_workflow_engine.domain.secrets import shortened

WITHIN_S = 50.0


class Mail:
    """Sends mail, a connection for each."""

    def __init__(self, destinations: Destinations, tls: ssl.SSLContext) -> None:
        self._destinations = destinations
        self._tls = tls

    async def send(self, message: Message, settings: EmailSettings, password: str | None, now: datetime) -> Outcome:
        """Done names the recipients that the server refused while it took the message for others. What a server says
        for now (4xx, greylisting) is to be tried again, what it says for good (5xx) is not."""
        try:
            to = recipients(message, settings)
            async with asyncio.timeout(WITHIN_S):
                refused = await self._deliver(_mail(message, settings, to, now), settings, password, to)
            return Done({"outcome": "sent", "channel": message.channel, "refused": refused})
        except InputFailed as failure:
            return Failed(Failure(failure.code, failure.message))
        except Barred as barred:
            return Failed(Failure("address_refused", f"Not sent: {barred}."))
        except TimeoutError:
            return Retry(Failure("timeout", f"The mail server did not finish within {WITHIN_S:g} s."))
        except aiosmtplib.SMTPRecipientsRefused as error:
            return _answered("recipients_refused", [(one.code, one.message) for one in error.recipients])
        except aiosmtplib.SMTPAuthenticationError as error:
            return _answered("login_refused", [(error.code, error.message)])
        except aiosmtplib.SMTPResponseException as error:
            return _answered("mail_refused", [(error.code, error.message)])
        except (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPConnectError, OSError) as error:
            return Retry(Failure("network", f"The connection to the mail server failed: {_words(error)}."))
        except ValueError as error:  # after OSError: a certificate that does not fit is both
            return Failed(Failure("input_invalid", f"The mail cannot be sent: {type(error).__name__}."))
        except aiosmtplib.SMTPException as error:
            return Failed(Failure("mail_refused", f"The mail server cannot do this: {_words(error)}."))

    async def _deliver(
        self, mail: EmailMessage, settings: EmailSettings, password: str | None, to: Sequence[str]
    ) -> list[str]:
        connection = await self._destinations.connect(settings.host, settings.port, MAIL_PORTS)
        client = aiosmtplib.SMTP(
            hostname=settings.host,
            sock=connection,
            use_tls=settings.security == "tls",
            start_tls=settings.security == "starttls",
            tls_context=self._tls if settings.security != "none" else None,
            timeout=WITHIN_S,
        )
        try:
            await client.connect()
        except BaseException:
            connection.close()
            raise
        try:
            if settings.username is not None and password is not None:
                await client.login(settings.username, password)
            refused, _ = await client.send_message(mail, sender=settings.sender, recipients=list(to))
            # Sent is sent: a goodbye that fails must not have it sent again.
            with contextlib.suppress(aiosmtplib.SMTPException, OSError, TimeoutError):
                async with asyncio.timeout(2):
                    await client.quit()
            return sorted(refused)
        finally:
            if isinstance(client.transport, asyncio.WriteTransport):
                client.transport.abort()


def _mail(message: Message, settings: EmailSettings, to: Sequence[str], now: datetime) -> EmailMessage:
    mail = EmailMessage()
    mail["Message-ID"] = f"<{message.id}@{settings.sender.rpartition('@')[2]}>"
    mail["Date"] = email.utils.format_datetime(now)
    mail["From"] = settings.sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = " ".join(title_of(message).split())
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    return mail


def _answered(code: str, answers: Sequence[tuple[int, str]]) -> Outcome:
    """By what the server said: for now if any of it was, else for good."""
    said = "; ".join(dict.fromkeys(f"{number} {shortened(' '.join(text.split()), 200)}" for number, text in answers))
    failure = Failure(code, f"The mail server said {said}.")
    if any(400 <= number < 500 for number, _ in answers):
        return Retry(failure)
    return Failed(failure)


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
