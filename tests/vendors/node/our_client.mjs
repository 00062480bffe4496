// Our own client for JavaScript, installed from its tarball.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ApiError, Emailsvc } from "emailsvc";
import { GIVEN, PDF, PNG, address, arrived, checkFiles, rejected, step, untilLimited } from "./steps.mjs";

const connect = (apiKey, more = {}) => new Emailsvc({ url: GIVEN.url, apiKey, ...more });
const emailsvc = connect(GIVEN.key);
const build = (name, more = {}) => ({
  from_: `Demo <${GIVEN.sender}>`, to: address(name), subject: `Subject of ${name}`, html: "<p>It works.</p>", ...more,
});
const inDays = (days) => new Date(Date.now() + days * 86_400_000);

await step("package", "package", async () => {
  const folder = new URL(".", import.meta.resolve("emailsvc"));
  assert.ok(readdirSync(folder).includes("index.d.ts"));
  const told = JSON.parse(readFileSync(fileURLToPath(new URL("../package.json", folder)), "utf8"));
  assert.deepEqual([told.name, told.dependencies], ["emailsvc", undefined]);
});

await step("send", "Emailsvc", async () => {
  const { id } = await emailsvc.sendEmail(build("send", { tags: ["receipt"] }));
  assert.ok(JSON.stringify((await arrived(address("send"))).headers).includes(id));
});

await step("files", "Emailsvc", async () => {
  const attachments = [
    { filename: "a.pdf", content_type: "application/pdf", content_b64: PDF.toString("base64") },
    { filename: "logo.png", content_type: "image/png", content_b64: PNG.toString("base64"), content_id: "logo" },
  ];
  await emailsvc.sendEmail(build("files", { html: '<img src="cid:logo">', attachments }));
  checkFiles(await arrived(address("files")), ["a.pdf", "logo.png"]);
});

await step("batch", "Emailsvc", async () => {
  const answer = await emailsvc.sendBatch([build("one"), build("bad", { to: "nobody" })], { mode: "permissive" });
  assert.ok(JSON.stringify(answer).includes('"field":"to"'), JSON.stringify(answer));
  await arrived(address("one"));
});

await step("get", "Emailsvc", async () => {
  const { id } = await emailsvc.sendEmail(build("get", { tags: ["found-by-node"] }));
  assert.equal((await emailsvc.getEmail(id)).subject, "Subject of get");
  const found = [];
  for await (const each of emailsvc.iterate(emailsvc.listEmails, { tag: "found-by-node" })) found.push(each.id);
  assert.deepEqual(found, [id]);
});

await step("update", "Emailsvc", async () => {
  const { id } = await emailsvc.sendEmail(build("later", { scheduled_at: inDays(1) }));
  const moved = await emailsvc.rescheduleEmail(id, { scheduled_at: inDays(2) });
  assert.equal(moved.scheduled_at.slice(0, 10), inDays(2).toISOString().slice(0, 10));
  assert.equal((await emailsvc.cancelEmail(id)).status, "cancelled");
});

await step("error", "Emailsvc", async () => {
  const error = await rejected(() => emailsvc.sendEmail(build("error", { to: "nobody" })));
  assert.ok(error instanceof ApiError, error.stack);
  assert.deepEqual([error.status, error.errors[0].field], [422, "to"]);
  assert.equal((await rejected(() => connect("es_live_wrong").getMe())).status, 401);
});

await step("rate limit", "Emailsvc", async () => {
  const low = connect(GIVEN.low_key, { maxAttempts: 1 });
  const error = await untilLimited(() => low.sendEmail(build("limit")));
  assert.equal(error.status, 429);
  assert.ok(error.retryAfter >= 1);
});
