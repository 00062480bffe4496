// nodemailer: submission with STARTTLS and with TLS from the start.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import nodemailer from "nodemailer";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, rejected, step, untilLimited } from "./steps.mjs";

const ca = readFileSync(GIVEN.certificate);
const connect = (more = {}) =>
  nodemailer.createTransport({
    host: GIVEN.smtp_host, port: GIVEN.smtp_port, requireTLS: true, tls: { ca },
    auth: { user: "emailsvc", pass: GIVEN.key }, ...more,
  });
const build = (name, more = {}) => ({
  from: `Demo <${GIVEN.sender}>`, to: address(name), subject: `Subject of ${name}`, html: "<p>It works.</p>", ...more,
});

await step("send", "STARTTLS", async () => {
  const { response } = await connect().sendMail(
    build("send", { text: "It works.", replyTo: "answers@example.test", headers: { "X-Emailsvc-Metadata": '{"order":"7"}' } }),
  );
  const id = response.match(/Accepted as (\S+)/)[1];
  const headers = Object.fromEntries((await arrived(address("send"))).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.ok(headers["message-id"].includes(id));
  assert.equal(headers["reply-to"], "answers@example.test");
});

await step("files", "STARTTLS", async () => {
  const attachments = [
    { filename: "a.pdf", content: PDF, contentType: "application/pdf" },
    { filename: "logo.png", content: PNG, cid: "logo" },
  ];
  await connect().sendMail(build("files", { html: '<img src="cid:logo">', attachments }));
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"]);
});

await step("batch", "STARTTLS", async () => {
  const pool = connect({ pool: true, maxConnections: 2 });
  await Promise.all(["one", "two", "three"].map((name) => pool.sendMail(build(name))));
  pool.close();
  await arrived(address("three"));
});

await step("send", "TLS", async () => {
  await connect({ port: GIVEN.smtp_tls_port, secure: true }).sendMail(build("tls"));
  await arrived(address("tls"));
});

await step("error", "STARTTLS", async () => {
  const error = await rejected(() => connect({ auth: { user: "emailsvc", pass: "wrong" } }).sendMail(build("error")));
  assert.deepEqual([error.code, error.responseCode], ["EAUTH", 535]);
  const other = await rejected(() => connect().sendMail(build("error", { headers: { "X-Emailsvc-Nothing": "x" } })));
  assert.equal(other.responseCode, 554);
});

await step("rate limit", "STARTTLS", async () => {
  const low = connect({ auth: { user: "emailsvc", pass: GIVEN.low_key } });
  const error = await untilLimited(() => low.sendMail(build("limit")));
  assert.ok([450, 451, 454].includes(error.responseCode), error.stack);
});
