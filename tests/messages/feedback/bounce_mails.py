"""Reports as mail servers write them, about one recipient."""


def build_dsn(
    return_path: str, address: str, *, action: str = "failed", status: str = "5.1.1", final: str = "", text: str = ""
) -> bytes:
    """A delivery status notification (RFC 3464)."""
    diagnostic = text or f"{'550' if action == 'failed' else '250'} {status} said so"
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@relay.test\r\nTo: <{return_path}>\r\n"
        "Subject: Delivery Status Notification\r\nAuto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is the mail system at host relay.test.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; relay.test\r\n\r\n"
        f"Original-Recipient: rfc822;{address}\r\nFinal-Recipient: rfc822; {final or address}\r\n"
        f"Action: {action}\r\nStatus: {status}\r\nDiagnostic-Code: smtp; {diagnostic}\r\n\r\n--b--\r\n"
    ).encode()


def build_complaint(return_path: str, *, to: str = "fbl@reports.test", original: str = "") -> bytes:
    """A feedback-loop report (RFC 5965); the complainer's address is left out, as most loops do."""
    return (
        f"From: <feedback@isp.test>\r\nTo: <{to}>\r\nSubject: FW: Hi\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=feedback-report; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n"
        "--b\r\nContent-Type: message/feedback-report\r\n\r\n"
        "Feedback-Type: abuse\r\nUser-Agent: Loop/1.0\r\nVersion: 1\r\n"
        f"{f'Original-Mail-From: <{return_path}>' + chr(13) + chr(10) if return_path else ''}\r\n"
        f"--b\r\nContent-Type: message/rfc822\r\n\r\n{original or 'Subject: Hi' + chr(13) + chr(10)}\r\n--b--\r\n"
    ).encode()
