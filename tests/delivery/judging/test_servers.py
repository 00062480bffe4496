"""Refusals as known servers word them, and their judgement. The texts are own examples in the servers' manner."""

import pytest

from delivery.envelope import Outcome, Stage
from delivery.judging.consequences import should_suppress
from delivery.judging.judge import judge
from delivery.judging.model import Refusal
from delivery.judging.terms import Speaker
from delivery.replies import Peer, classify, take_reply
from delivery.reports.parse import parse_report
from tests.delivery.reports.samples import write_dsn

# The recipient does not exist, and the address is suppressed.
GONE = [
    # Postfix, Exim, Sendmail, qmail, Courier, OpenSMTPD, hMailServer
    "550 5.1.1 <ann@there.test>: Recipient address rejected: User unknown in virtual mailbox table",
    "550 5.1.1 <ann@there.test>: Recipient address rejected: undeliverable address: unknown user",
    "550 5.1.1 <ann@there.test>: Recipient address rejected: there.test",
    "550 Unrouteable address",
    "550 No such person at this address",
    "550 5.1.1 <ann@there.test>... User unknown",
    "550 sorry, no mailbox here by that name (#5.1.1 - chkuser)",
    "511 sorry, no mailbox here by that name. (#5.7.17)",
    "550 User <ann@there.test> unknown",
    "550 Invalid recipient: <ann@there.test>",
    "550 Unknown user",
    "550 This account has been deleted",
    # Exchange and Exchange Online
    "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient ann@there.test not found by SMTP address lookup",
    "550 5.4.1 Recipient address rejected: Access denied. AS(201806271) [edge.there.test]",
    "550 5.1.351 Remote server returned unknown recipient or mailbox unavailable -> 550 5.1.1 gone",
    "550 5.4.310 DNS domain there.test does not exist",
    "550 5.4.4 Host not found",
    # Gmail, Outlook.com, Yahoo, iCloud
    "550-5.1.1 The email account that you tried to reach does not exist.",
    "550 5.5.0 Requested action not taken: mailbox unavailable (S2099)",
    "554 delivery error: dd This user doesn't have a there.test account (ann@there.test) [0]",
    "552 1 Requested mail action aborted, mailbox not found",
    "550 5.1.1 unknown or illegal alias: ann@there.test",
    # Proofpoint, Mimecast, Barracuda
    "550 5.1.1 <ann@there.test> User unknown; rejecting",
    "550 Invalid Recipient - https://community.gateway.test/docs#550",
    "550 permanent failure for one or more recipients (ann@there.test:550 5.1.1 user unknown)",
    # mail.ru, Yandex, QQ, NetEase
    "550 Message was not accepted -- invalid mailbox. Local mailbox ann@there.test is unavailable: user not found",
    "550 5.7.1 No such user!",
    "550 Mailbox not found. http://service.there.test/help?id=20022",
    "550 User not found: ann@there.test",
    "550 Invalid User: ann@there.test",
    # The enhanced codes that suffice, with empty or neutral words
    "550 5.1.1",
    "550 5.1.1 rejected",
    "550 5.1.1 Delivery to this address failed",
    "550 5.1.2 Bad destination host",
    "501 5.1.3 Bad recipient address syntax",
    "551 5.1.6",
    "556 5.1.10 Domain does not accept mail",
    "556 no mail for this domain",
    # Languages
    "550 5.1.1 Adresse d'au moins un destinataire invalide",
    "550 L'utilisateur est inconnu",
    "550 Aucun utilisateur de ce nom",
    "550 Empfänger unbekannt",
    "550 Das Postfach existiert nicht",
    "550 Kein solcher Benutzer",
    "550 El usuario no existe",
    "550 Usuario desconocido",
    "550 Destinatário não existe",
    "550 Caixa postal inexistente",
    "550 Utente sconosciuto",
    "550 Gebruiker onbekend",
    "550 Skrzynka nie istnieje",
    "550 Uživatel neexistuje",
    "550 Mottagaren finns inte",
    "550 Kullanıcı bulunamadı",
    "550 Пользователь не найден",
    "550 Нет такого пользователя",
    "550 Почтовый ящик не существует",
    "550 收件人不存在",
    "550 查無此用戶",
    "550 宛先のメールアドレスは存在しません",
    "550 ユーザーが見つかりません",
    "550 존재하지 않는 사용자",
]
# Refusals that are about something else, with their reason and subject.
OTHERS = [
    # Our IP address, its reverse DNS, its name
    ("550 JunkMail rejected - host.here.test [192.0.2.7]:4099 is in an RBL: Client host blocked", "blocked"),
    ("554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.list.test", "blocked"),
    ("550 rejected because 192.0.2.7 is in a black list at list.test", "blocked"),
    ("550 5.1.1 <ann@there.test>: your IP 192.0.2.7 is listed at list.test", "blocked"),
    ("550 5.7.606 Access denied, banned sending IP [192.0.2.7]", "blocked"),
    ("550 SC-001 Unfortunately, messages from 192.0.2.7 weren't sent. It is on our block list", "blocked"),
    ("554 5.7.1 poor reputation of your sending IP", "blocked"),
    ("550 Local CT IP Reputation Policy", "blocked"),
    ("550 Reverse DNS lookup failed for host 192.0.2.7", "blocked"),
    ("550 5.7.25 Client host rejected: cannot find your reverse hostname, [192.0.2.7]", "blocked"),
    ("550 no host name found for IP address 192.0.2.7", "blocked"),
    ("550 IP lookup failed: NXDOMAIN for 192.0.2.7", "blocked"),
    ("550 5.7.1 <here>: Helo command rejected: Host not found", "blocked"),
    ("504 5.5.2 <here>: Helo command rejected: need fully-qualified hostname", "blocked"),
    ("550 5.1.1 User is unknown, or your IP is blocked", "blocked"),
    ("550 Ihre IP-Adresse steht auf einer Sperrliste", "blocked"),
    ("550 Adresse IP source bloquée", "blocked"),
    ("550 Su IP está en una lista negra", "blocked"),
    ("550 Ваш IP заблокирован", "blocked"),
    ("550 Адрес отправителя находится в чёрном списке", "blocked"),
    ("550 您的IP已被列入黑名单", "blocked"),
    ("550 5.1.1 Mail from 192.0.2.7 refused", "blocked"),
    ("550 5.1.1 IP not allowed", "blocked"),
    ("554 5.7.1 mail rejected, client blocked by list.test", "blocked"),
    # The sender's address, and callouts that check it
    ("550 Sender verify failed", "sender_rejected"),
    ("550-Verification failed for <news@here.test>", "sender_rejected"),
    ("550-Callback setup failed while verifying <news@here.test>", "sender_rejected"),
    ("550 Sender callout failed: 550 no such user", "sender_rejected"),
    ("550 Could not complete sender verify callout", "sender_rejected"),
    ("553 5.1.8 <news@here.test>... Domain of sender address news@here.test does not exist", "sender_rejected"),
    ("550 5.7.1 Rejected: sender domain does not exist", "sender_rejected"),
    ("550 Your domain does not exist", "sender_rejected"),
    ("550-Requested action not taken: mailbox unavailable. Sender address has null MX", "sender_rejected"),
    ("550 EHLO domain does not exist", "blocked"),
    ("550 Can't resolve your domain", "sender_rejected"),
    ("550 Absenderadresse existiert nicht", "sender_rejected"),
    ("550 L'expéditeur n'existe pas", "sender_rejected"),
    ("550 La dirección del remitente no existe", "sender_rejected"),
    ("550 O remetente não existe", "sender_rejected"),
    ("550 Домен отправителя не существует", "sender_rejected"),
    ("550 发件人域名不存在", "sender_rejected"),
    ("550 送信者のドメインが存在しません", "sender_rejected"),
    # Authentication of the mail
    ("550 SPF: 192.0.2.7 is not allowed to send mail from here.test", "authentication"),
    ("550 5.7.23 The message was rejected because of a Sender Policy Framework violation", "authentication"),
    ("550 5.7.26 This mail has been blocked because the sender is unauthenticated", "authentication"),
    ("550 5.1.1 DMARC policy of here.test", "authentication"),
    # Logins and relaying
    ("550 authentication required", "login"),
    ("550 5.7.1 Must issue a STARTTLS command first", "login"),
    ("550 relay not permitted", "relaying"),
    ("550 5.7.64 TenantAttribution; Relay Access Denied", "relaying"),
    ("553 sorry, that domain isn't in my list of allowed rcpthosts (#5.7.1)", "relaying"),
    # Not now
    ("550 Greylisted, please try again later", "greylisted"),
    ("450 4.2.0 <ann@there.test>: Recipient address rejected: Greylisted", "greylisted"),
    ("550 5.2.1 The user you are trying to contact is receiving mail at a rate that is too high", "too_many"),
    ("550 Ip frequency limited [192.0.2.7]", "too_many"),
    ("550 5.1.1 too many recipients", "too_many"),
    ("550 5.2.121 The recipient's hourly message receive limit from this sender was exceeded", "too_many"),
    ("550 too many unknown users", "too_many"),
    ("550 连接频率限制", "too_many"),
    # The mailbox is full
    ("550 5.1.1 <ann@there.test>: Recipient address rejected: mailbox over quota", "mailbox_full"),
    ("552 5.2.2 The email account is over quota and inactive", "mailbox_full"),
    ("552 Mailbox full", "mailbox_full"),
    ("554 5.2.0 STOREDRV.Deliver.Exception:QuotaExceededException", "mailbox_full"),
    ("550 Boîte aux lettres pleine", "mailbox_full"),
    ("550 Postfach ist voll", "mailbox_full"),
    ("550 Buzón lleno", "mailbox_full"),
    ("550 Caixa postal cheia", "mailbox_full"),
    ("550 Ящик переполнен", "mailbox_full"),
    ("550 邮箱空间已满", "mailbox_full"),
    ("550 メールボックスの容量を超えています", "mailbox_full"),
    # The mailbox is closed
    ("550 5.2.1 The email account that you tried to reach is disabled", "disabled"),
    ("554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30).", "disabled"),
    ("550 User suspended: ann@there.test", "disabled"),
    ("550 Local mailbox ann@there.test is unavailable: account is disabled", "disabled"),
    ("550 Das Konto ist deaktiviert", "disabled"),
    ("550 用户已被停用", "disabled"),
    # The recipient's rules
    ("550 5.7.133 RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required", "filtered"),
    ("550 Recipient requires confirmation", "filtered"),
    # The mail
    ("550 5.1.1 Spam message rejected", "spam"),
    ("550 5.7.1 Our system has detected that this message is likely unsolicited mail", "spam"),
    ("550 5.1.1 max message size exceeded", "too_big"),
    ("550 5.7.0 virus detected", "virus"),
    ("550 Сообщение похоже на спам", "spam"),
    ("550 垃圾邮件", "spam"),
    # The server
    ("521 5.2.1 (DYN:T1)", "unknown"),
    ("550 5.1.2 look up failed: SERVFAIL", "network"),
    ("550 Denied by policy", "policy"),
    ("554 5.4.6 Too many hops", "network"),
    ("521 5.3.2 This host accepts no mail", "system"),
    # A code alone, or words that nobody knows
    ("550", "no_such_user"),
    ("550 zzz qqq", "unknown"),
    ("554 DT:SPM 163 smtp1", "unknown"),
    # RFC 5321's own words for 550, which stand for every cause
    ("550 Requested action not taken: mailbox unavailable", "no_such_user"),
    # The recipient's own server speaks of a host: it stands, so the host may be ours
    ("550 Host unknown", "host_unknown"),
]


def hear(line: str, stage: Stage = Stage.RCPT, *, is_final: bool = True):
    """The reply of a server, the recipient's own by default."""
    taken = take_reply(line.encode() + b"\r\n") or take_reply(line.replace("-", " ", 1).encode() + b"\r\n")
    assert taken is not None
    return classify(taken[0], stage=stage, peer=Peer(), is_final=is_final)


@pytest.mark.parametrize("line", GONE)
@pytest.mark.parametrize("is_final", [True, False], ids=["direct", "relay"])
def test_no_such_mailbox_is_about_the_recipient_for_good(line: str, is_final: bool):
    reply = hear(line, is_final=is_final)
    assert (reply.outcome, reply.about, reply.is_for_good) == (Outcome.BOUNCED, "recipient", True)
    assert reply.should_suppress


@pytest.mark.parametrize(("line", "reason"), OTHERS)
@pytest.mark.parametrize("is_final", [True, False], ids=["direct", "relay"])
def test_other_refusals_suppress_nobody(line: str, reason: str, is_final: bool):
    reply = hear(line, is_final=is_final)
    if is_final or reason != "host_unknown":
        assert not reply.should_suppress
    assert reply.reason == reason
    assert not (is_final and reply.should_pause)


# A code for "no such mailbox" beside words that are about something else.
DOUBTFUL = [
    "550 5.1.1 account temporarily suspended",
    "550 5.1.1 Message rejected",
    "550 5.1.1 Your email was not accepted",
    "550 5.1.1 Access denied",
    "550 5.1.1 <ann@there.test> is over its storage limit",
    "550 5.1.1 mailbox quota",
    "550 5.1.3 Invalid address format of the sender",
]


@pytest.mark.parametrize("line", DOUBTFUL)
def test_a_code_alone_does_not_outweigh_words_about_something_else(line: str) -> None:
    assert not hear(line).should_suppress
    code, status, words = line.split(" ", 2)
    refusal = Refusal(speaker=Speaker.REPORT, code=int(code), enhanced_code=status, words=words)
    assert not should_suppress(judge(refusal))


@pytest.mark.parametrize(("line", "reason"), [*((line, "") for line in GONE), *OTHERS])
def test_a_relays_report_and_an_esps_event_are_judged_alike(line: str, reason: str):
    """Postfix quotes the reply in its report, and names the stage; an ESP quotes it alone."""
    heard = hear(line)
    diagnostic = f"smtp; {line} (in reply to RCPT TO command)"
    status = heard.enhanced_code if heard.enhanced_code.startswith("5") else "5.0.0"
    fields = f"Final-Recipient: rfc822; ann@there.test\nAction: failed\nStatus: {status}\nDiagnostic-Code: {diagnostic}"
    (reported,) = parse_report(write_dsn(fields)).recipients
    if not line.startswith("4"):
        told = judge(
            Refusal(speaker=Speaker.REPORT, code=heard.code, enhanced_code=heard.enhanced_code, words=heard.text)
        )
        assert should_suppress(told) is heard.should_suppress
    if heard.reason != "unknown":
        assert (reported.reason, reported.suppress) == (heard.reason, heard.should_suppress)


@pytest.mark.parametrize("line", GONE)
def test_before_rcpt_no_server_speaks_of_the_recipient(line: str):
    stages = (Stage.GREETING, Stage.EHLO, Stage.TLS, Stage.AUTH, Stage.MAIL)
    assert not any(hear(line, stage).should_suppress for stage in stages)
