// resend for Node: the calls of Resend's door.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { Resend } from "resend";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, step, unsupported } from "./steps.mjs";

const baseUrl = `${GIVEN.url}/compat/resend`;
const resend = new Resend(GIVEN.key, { baseUrl });
const from = `Demo <${GIVEN.sender}>`;
const inDays = (days) => new Date(Date.now() + days * 86_400_000).toISOString();
const build = (name, more = {}) => ({
  from, to: address(name), subject: `Subject of ${name}`, html: "<p>It works.</p>", ...more,
});

/** The data of an answer; the client returns errors. */
async function ok(promise) {
  const { data, error } = await promise;
  assert.equal(error, null, JSON.stringify(error));
  return data;
}

async function refused(promise, statusCode, name) {
  const { error } = await promise;
  assert.ok(error, "nothing was refused");
  assert.deepEqual([error.statusCode, error.name], [statusCode, name]);
  return error;
}

let withFiles;
let template;
let hook;

await step("send", "POST /emails", async () => {
  const more = { replyTo: "answers@example.test", tags: [{ name: "order", value: "7" }] };
  const { id } = await ok(resend.emails.send(build("send", more), { idempotencyKey: address("send") }));
  const headers = Object.fromEntries((await arrived(address("send"))).headers.map(([name, value]) => [name.toLowerCase(), value]));
  assert.ok(headers["message-id"].includes(id));
  assert.equal(headers["reply-to"], "answers@example.test");
});

await step("files", "POST /emails", async () => {
  const attachments = [
    { filename: "a.pdf", content: PDF },
    { filename: "logo.png", content: PNG.toString("base64"), contentId: "logo" },
  ];
  ({ id: withFiles } = await ok(resend.emails.send(build("files", { html: '<img src="cid:logo">', attachments }))));
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"]);
});

await step("files", "GET /emails/{id}/attachments", async () => {
  const { data } = await ok(resend.emails.attachments.list({ emailId: withFiles }));
  const { id } = data.find((file) => file.filename === "a.pdf");
  const found = await ok(resend.emails.attachments.get({ emailId: withFiles, id }));
  assert.deepEqual(Buffer.from(await (await fetch(found.download_url)).arrayBuffer()), PDF);
});

await step("batch", "POST /emails/batch", async () => {
  const sent = await ok(resend.batch.send([build("one"), build("two")]));
  assert.equal(sent.data.length, 2);
  await arrived(address("two"));
  const permissive = await ok(
    resend.batch.send([build("good"), build("bad", { to: "nobody" })], { batchValidation: "permissive" }),
  );
  assert.deepEqual(permissive.errors.map((error) => error.index), [1]);
});

await step("get", "GET /emails/{id}", async () => {
  const { id } = await ok(resend.emails.send(build("get", { tags: [{ name: "order", value: "7" }] })));
  const found = await ok(resend.emails.get(id));
  assert.deepEqual([found.object, found.to, found.tags], ["email", [address("get")], [{ name: "order", value: "7" }]]);
});

await step("list", "GET /emails", async () => {
  const page = await ok(resend.emails.list({ limit: 2 }));
  assert.deepEqual([page.object, page.data.length, page.has_more], ["list", 2, true]);
  const rest = await ok(resend.emails.list({ limit: 2, after: page.data[1].id }));
  const back = await ok(resend.emails.list({ limit: 2, before: rest.data[0].id }));
  assert.deepEqual(back.data.map((row) => row.id), page.data.map((row) => row.id));
});

await step("update", "PATCH /emails/{id}", async () => {
  const { id } = await ok(resend.emails.send(build("update", { scheduledAt: inDays(2) })));
  const moved = inDays(3);
  await ok(resend.emails.update({ id, scheduledAt: moved }));
  assert.equal((await ok(resend.emails.get(id))).scheduled_at.slice(0, 16), moved.slice(0, 16));
});

await step("cancel", "POST /emails/{id}/cancel", async () => {
  const { id } = await ok(resend.emails.send(build("cancel", { scheduledAt: "in 1 min" })));
  await ok(resend.emails.cancel(id));
  assert.equal((await ok(resend.emails.get(id))).last_event, "canceled");
});

await step("templates", "POST /templates", async () => {
  const made = await ok(
    resend.templates.create({
      name: "Receipt", alias: "receipt-node", subject: "Order {{{ORDER}}}", html: "<p>{{{WHO}}} ordered {{{ORDER}}}</p>",
      variables: [{ key: "WHO", type: "string", fallbackValue: "somebody" }, { key: "ORDER", type: "number" }],
    }),
  );
  template = made.id;
  const found = await ok(resend.templates.get("receipt-node"));
  assert.deepEqual([found.id, found.status, found.subject], [template, "draft", "Order {{{ORDER}}}"]);
});

await step("templates", "POST /templates/{id}/publish", async () => {
  await ok(resend.templates.publish(template));
  await ok(resend.emails.send({ from, to: address("receipt"), template: { id: "receipt-node", variables: { ORDER: 7 } } }));
  const mail = await arrived(address("receipt"));
  assert.equal(mail.subject, "Order 7");
  assert.ok(mail.html.includes("somebody ordered 7"));
});

await step("templates", "PATCH /templates/{id}", async () => {
  await ok(resend.templates.update(template, { name: "Bill" }));
  const page = await ok(resend.templates.list({ limit: 50 }));
  assert.equal(page.data.find((row) => row.id === template).name, "Bill");
});

await step("templates", "POST /templates/{id}/duplicate", async () => {
  const { id } = await ok(resend.templates.duplicate(template));
  assert.equal((await ok(resend.templates.remove(id))).deleted, true);
});

await step("webhook", "POST /webhooks", async () => {
  const posts = [];
  // Other clients send meanwhile, and their events come here too.
  const isOwn = ({ body }) => `${body}`.includes(address("hook"));
  const server = createServer((request, response) => {
    const pieces = [];
    request.on("data", (piece) => pieces.push(piece)).on("end", () => {
      posts.push({ headers: request.headers, body: Buffer.concat(pieces).toString() });
      response.end();
    });
  });
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  const endpoint = `http://127.0.0.1:${server.address().port}/hook`;
  const made = await ok(resend.webhooks.create({ endpoint, events: ["email.sent", "email.delivered"] }));
  hook = made.id;
  await ok(resend.emails.send(build("hook")));
  for (let count = 0; count < 200 && !posts.some(isOwn); count += 1) await new Promise((done) => setTimeout(done, 100));
  server.close();
  const { headers, body } = posts.find(isOwn);
  const event = resend.webhooks.verify({
    payload: body,
    headers: { id: headers["svix-id"], timestamp: headers["svix-timestamp"], signature: headers["svix-signature"] },
    webhookSecret: made.signing_secret,
  });
  assert.deepEqual(event.data.to, [address("hook")]);
});

await step("webhook", "PATCH /webhooks/{id}", async () => {
  await ok(resend.webhooks.update(hook, { status: "disabled" }));
  assert.equal((await ok(resend.webhooks.get(hook))).status, "disabled");
  assert.ok((await ok(resend.webhooks.list())).data.some((row) => row.id === hook));
  assert.equal((await ok(resend.webhooks.remove(hook))).deleted, true);
});

await step("domain", "POST /domains", async () => {
  const { id } = await ok(resend.domains.create({ name: "node-client.example" }));
  assert.equal((await ok(resend.domains.get(id))).status, "not_started");
  assert.ok((await ok(resend.domains.list())).data.some((row) => row.id === id));
  await ok(resend.domains.remove(id));
});

await step("suppression", "POST /suppressions", async () => {
  const { id } = await ok(resend.suppressions.add({ email: address("gone") }));
  assert.equal((await ok(resend.suppressions.get(address("gone")))).id, id);
  assert.equal((await ok(resend.suppressions.remove(id))).deleted, true);
});

await step("suppression", "POST /suppressions/batch/add, POST /suppressions/batch/remove", async () => {
  const emails = [address("batch"), address("other")];
  assert.equal((await ok(resend.suppressions.batch.add({ emails }))).data.length, 2);
  assert.ok((await ok(resend.suppressions.batch.remove({ emails }))).data.every((row) => row.deleted));
});

await unsupported("other", "everything else", "", async () => {
  await refused(resend.apiKeys.list(), 404, "not_found");
});

await step("error", "POST /emails", async () => {
  const error = await refused(resend.emails.send(build("error", { to: "nobody" })), 422, "validation_error");
  assert.ok(error.message.includes("to"));
  const other = new Resend("re_wrong", { baseUrl });
  await refused(other.emails.send(build("error")), 403, "invalid_api_key");
});

await step("rate limit", "POST /emails", async () => {
  const low = new Resend(GIVEN.low_key, { baseUrl });
  let answer;
  for (let count = 0; count < 10 && !answer?.error; count += 1) answer = await low.emails.send(build("limit"));
  assert.deepEqual([answer.error.statusCode, answer.error.name], [429, "rate_limit_exceeded"]);
  assert.equal(answer.headers["ratelimit-limit"], "1");
});
