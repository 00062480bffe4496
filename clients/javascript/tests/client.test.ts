import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { test } from "node:test";

import { ApiError, Emailsvc, InvalidSignatureError, UnreachableError, Webhook } from "../src/index.ts";

const EMAIL = { from_: "shop@mine.test", to: "one@rcpt.test", text: "Hello." };

function answering(...answers: (Response | Error)[]) {
  const requests: { url: URL; init: RequestInit; key: string | null }[] = [];
  const waits: number[] = [];
  const answer = async (url: string | URL | Request, init: RequestInit = {}) => {
    requests.push({ url: new URL(String(url)), init, key: new Headers(init.headers).get("Idempotency-Key") });
    const found = answers.shift();
    if (found instanceof Response) return found;
    throw found;
  };
  const client = new Emailsvc({
    url: "http://service.test/api/v1/",
    apiKey: "es_test_k",
    fetch: answer,
    sleep: async (milliseconds) => void waits.push(milliseconds),
  });
  return { client, requests, waits };
}

const refuse = (status: number, body: object = { code: "x", detail: "No." }, headers = {}) =>
  new Response(JSON.stringify(body), { status, headers });
const accept = () => new Response('{"id":"1"}', { status: 202 });

test("a send is tried again with the same key, after as long as the service asks", async () => {
  const { client, requests, waits } = answering(
    refuse(429, { code: "x" }, { "Retry-After": "7" }),
    new TypeError("fetch failed"),
    refuse(502),
    accept(),
  );
  assert.equal((await client.sendEmail(EMAIL)).id, "1");
  assert.equal(new Set(requests.map((each) => each.key)).size, 1);
  assert.ok(requests[0].key);
  assert.equal(waits[0], 7000);
  assert.equal(requests[0].url.href, "http://service.test/api/v1/emails");
});

test("two sends have two keys, and a given key is used", async () => {
  const { client, requests } = answering(accept(), accept(), accept());
  await client.sendEmail(EMAIL);
  await client.sendEmail(EMAIL);
  await client.sendEmail(EMAIL, { idempotencyKey: "order-1" });
  assert.notEqual(requests[0].key, requests[1].key);
  assert.equal(requests[2].key, "order-1");
});

test("a refusal names the fields and is not tried again", async () => {
  const errors = [{ field: "to[0]", code: "invalid_address", message: "No address." }];
  const { client, requests } = answering(refuse(422, { code: "invalid_fields", errors }));
  await assert.rejects(client.sendEmail(EMAIL), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.errors], [422, "invalid_fields", errors]);
    return /to\[0\]/.test(error.message);
  });
  assert.equal(requests.length, 1);
});

test("it gives up after its attempts, and a lost delete is not repeated", async () => {
  const lost = () => new TypeError("fetch failed");
  const { client, requests } = answering(lost(), lost(), lost(), lost(), lost(), lost());
  await assert.rejects(client.getMe(), UnreachableError);
  assert.equal(requests.length, 5);
  await assert.rejects(client.deleteTemplate("welcome"), UnreachableError);
  assert.equal(requests.length, 6);
});

test("a wait of hours and a page of a proxy end the call", async () => {
  const { client, waits } = answering(refuse(429, { code: "quota_exceeded" }, { "Retry-After": "7200" }));
  await assert.rejects(client.sendEmail(EMAIL), { code: "quota_exceeded", retryAfter: 7200 });
  assert.deepEqual(waits, []);
  await assert.rejects(answering(new Response("<html>", { status: 404 })).client.getMe(), { status: 404 });
});

test("a list is read page by page", async () => {
  const page = (id: string, next: string | null) =>
    new Response(JSON.stringify({ data: [{ id }], has_more: next !== null, limit: 1, next }));
  const { client, requests } = answering(page("a", "n1"), page("b", null));
  const found: string[] = [];
  for await (const email of client.iterate(client.listEmails, { metadata: { order: "1" } })) found.push(email.id);
  assert.deepEqual(found, ["a", "b"]);
  assert.deepEqual(
    requests.map((each) => each.url.search),
    ["?metadata.order=1", "?after=n1&metadata.order=1"],
  );
});

test("a genuine webhook is read, any other is refused", async () => {
  const key = Buffer.from("the secret of the tests");
  const body = '{"type":"email.sent","timestamp":"2030-01-01T00:00:00Z","data":{}}';
  const timestamp = String(Math.floor(Date.now() / 1000));
  const signature = createHmac("sha256", key).update(`e1.${timestamp}.${body}`).digest("base64");
  const headers = { "webhook-id": "e1", "webhook-timestamp": timestamp, "webhook-signature": `v1,!! v1,${signature}` };
  const webhook = new Webhook([`whsec_${btoa("another")}`, `whsec_${key.toString("base64")}`]);
  assert.equal((await webhook.verify(body, headers)).type, "email.sent");
  for (const change of [{ "webhook-id": "e2" }, { "webhook-timestamp": "1" }, { "webhook-signature": undefined }]) {
    await assert.rejects(webhook.verify(body, { ...headers, ...change }), InvalidSignatureError);
  }
  await assert.rejects(webhook.verify(`${body} `, headers), InvalidSignatureError);
  await assert.rejects(new Webhook(`whsec_${btoa("another")}`).verify(body, headers), InvalidSignatureError);
  assert.throws(() => new Webhook("whsec_"), TypeError);
});

test("a missing account is told", () => {
  assert.throws(() => new Emailsvc({ url: "", apiKey: "k" }), /EMAILSVC_URL/);
  assert.throws(() => new Emailsvc({ url: "https://x.test", apiKey: "" }), /EMAILSVC_API_KEY/);
});
