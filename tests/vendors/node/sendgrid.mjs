// @sendgrid/mail, with @sendgrid/client and @sendgrid/eventwebhook: the calls of SendGrid's door.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import sendgridClient from "@sendgrid/client";
import sendgridMail from "@sendgrid/mail";
import eventWebhook from "@sendgrid/eventwebhook";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, partial, rejected, step, unsupported, untilLimited } from "./steps.mjs";

function connect(key) {
  const client = new sendgridClient.Client();
  client.setApiKey(key);
  client.setDefaultRequest("baseUrl", `${GIVEN.url}/compat/sendgrid/`);
  const mail = new sendgridMail.MailService();
  mail.setClient(client);
  return { client, mail };
}

const { client, mail } = connect(GIVEN.key);
const from = { email: GIVEN.sender, name: "Demo" };
const build = (name, more = {}) => ({
  from, to: address(name), subject: `Subject of ${name}`, html: "<p>It works.</p>", ...more,
});
const inDays = (days) => Math.floor(Date.now() / 1000) + days * 86_400;

await step("send", "POST /v3/mail/send", async () => {
  const more = {
    text: "It works.", replyTo: "answers@example.test", categories: ["receipt"], customArgs: { order: "7" },
    headers: { "X-Shop": "yes" }, trackingSettings: { clickTracking: { enable: false }, openTracking: { enable: false } },
  };
  const [answer] = await mail.send(build("send", more));
  assert.equal(answer.statusCode, 202);
  const headers = Object.fromEntries((await arrived(address("send"))).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.ok(headers["message-id"].includes(answer.headers["x-message-id"]));
  assert.deepEqual([headers["x-shop"], headers["reply-to"]], ["yes", "answers@example.test"]);
});

await step("files", "POST /v3/mail/send", async () => {
  const attachments = [
    { filename: "a.pdf", content: PDF.toString("base64"), type: "application/pdf", disposition: "attachment" },
    { filename: "logo.png", content: PNG.toString("base64"), type: "image/png", disposition: "inline", content_id: "logo" },
  ];
  await mail.send(build("files", { html: '<img src="cid:logo">', attachments }));
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"]);
});

await step("batch", "POST /v3/mail/send", async () => {
  await mail.sendMultiple(build("one", { to: [address("one"), address("two")] }));
  const both = await Promise.all([arrived(address("one")), arrived(address("two"))]);
  assert.deepEqual(both.map(({ to }) => to.length), both.map(() => both[0].to.length));
  await mail.send([build("three"), build("four")]);
  const personalizations = [
    { to: address("five"), substitutions: { name: "Jo" } },
    { to: address("six"), substitutions: { name: "Ann" } },
  ];
  await mail.send({ from, subject: "Hello {{name}}", html: "<p>{{name}}</p>", personalizations });
  assert.equal((await arrived(address("six"))).subject, "Hello Ann");
});

await step("template", "POST /v3/mail/send", async () => {
  await mail.send({ from, to: address("template"), templateId: GIVEN.template, dynamicTemplateData: { name: "Jo" } });
  assert.equal((await arrived(address("template"))).subject, "Welcome, Jo");
});

await step("batch", "POST /v3/mail/batch, GET /v3/mail/batch/{id}", async () => {
  const [, made] = await client.request({ method: "POST", url: "/v3/mail/batch" });
  const [, found] = await client.request({ method: "GET", url: `/v3/mail/batch/${made.batch_id}` });
  assert.equal(found.batch_id, made.batch_id);
});

const scheduled = async (name) => {
  const [, { batch_id: batchId }] = await client.request({ method: "POST", url: "/v3/mail/batch" });
  await mail.send(build(name, { sendAt: inDays(1), batchId }));
  return batchId;
};

await step("cancel", "POST /v3/user/scheduled_sends, GET /v3/user/scheduled_sends/{batch_id}", async () => {
  const batchId = await scheduled("cancel");
  const body = { batch_id: batchId, status: "cancel" };
  const [answer] = await client.request({ method: "POST", url: "/v3/user/scheduled_sends", body });
  assert.equal(answer.statusCode, 201);
  const [, rows] = await client.request({ method: "GET", url: `/v3/user/scheduled_sends/${batchId}` });
  assert.deepEqual(rows, [body]);
});

await step("update", "PATCH /v3/user/scheduled_sends/{batch_id}", async () => {
  const url = `/v3/user/scheduled_sends/${await scheduled("pause")}`;
  const [answer] = await client.request({ method: "PATCH", url, body: { status: "pause" } });
  assert.equal(answer.statusCode, 204);
  const [, rows] = await client.request({ method: "GET", url });
  assert.equal(rows[0].status, "pause");
});

await partial("update", "DELETE /v3/user/scheduled_sends/{batch_id}", "a cancelled email stays cancelled", async () => {
  const url = `/v3/user/scheduled_sends/${await scheduled("resume")}`;
  await client.request({ method: "PATCH", url, body: { status: "pause" } });
  const [answer] = await client.request({ method: "DELETE", url });
  assert.equal(answer.statusCode, 204);
});

await step("webhook", "webhooks", async () => {
  const posts = [];
  // Other clients send meanwhile, and their events come here too.
  const isOwn = ({ body }) => `${body}`.includes(address("hook"));
  const server = createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece)).on("end", () => {
      posts.push({ headers: request.headers, body: Buffer.concat(pieces) });
      response.end();
    });
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  const made = await (
    await fetch(`${GIVEN.url}/api/v1/webhooks`, {
      method: "POST",
      headers: { Authorization: `Bearer ${GIVEN.key}`, "Content-Type": "application/json" },
      body: JSON.stringify({ url: `http://127.0.0.1:${server.address().port}/`, events: ["email.delivered"], format: "sendgrid" }),
    })
  ).json();
  await mail.send(build("hook", { customArgs: { order: "7" } }));
  for (let count = 0; count < 200 && !posts.some(isOwn); count += 1) await new Promise((done) => setTimeout(done, 100));
  server.close();
  const { EventWebhook, EventWebhookHeader } = eventWebhook;
  const verifier = new EventWebhook();
  const key = verifier.convertPublicKeyToECDSA(made.public_key);
  const { headers, body } = posts.find(isOwn);
  const signature = headers[EventWebhookHeader.SIGNATURE().toLowerCase()];
  const timestamp = headers[EventWebhookHeader.TIMESTAMP().toLowerCase()];
  assert.ok(verifier.verifySignature(key, body, signature, timestamp));
  const [event] = JSON.parse(body);
  assert.deepEqual([event.event, event.email, event.order], ["delivered", address("hook"), "7"]);
  await fetch(`${GIVEN.url}/api/v1/webhooks/${made.id}`, { method: "DELETE", headers: { Authorization: `Bearer ${GIVEN.key}` } });
});

await unsupported("other", "everything else", "", async () => {
  const error = await rejected(() => client.request({ method: "GET", url: "/v3/templates" }));
  assert.equal(error.code, 404);
  assert.ok(error.response.body.errors[0].message.includes("not served here"));
});

await step("error", "POST /v3/mail/send", async () => {
  const error = await rejected(() => mail.send(build("error", { to: "nobody" })));
  assert.equal(error.code, 400);
  assert.equal(error.response.body.errors[0].field, "personalizations.0.to.0");
  const other = await rejected(() => connect("SG.wrong").mail.send(build("error")));
  assert.equal(other.code, 401);
});

await step("rate limit", "POST /v3/mail/send", async () => {
  const low = connect(GIVEN.low_key);
  const error = await untilLimited(() => low.mail.send(build("limit")));
  assert.equal(error.code, 429);
  assert.ok(Number(error.response.headers["retry-after"]) >= 1);
});
