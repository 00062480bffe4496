// What scripts of clients in Node share: the same as python/steps.py.
import assert from "node:assert/strict";

export const GIVEN = JSON.parse(process.env.EMAILSVC);
export const PNG = Buffer.from(
  "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000002000001" +
    "e221bc330000000049454e44ae426082",
  "hex",
);
export const PDF = Buffer.from("255044462d312e342000ff80206e6f74207265616c6c79", "hex");

export async function step(kind, call, run, result = "passed", detail = "") {
  const line = { kind, call, result, detail };
  try {
    await run();
  } catch (error) {
    const told = error?.response?.body ? JSON.stringify(error.response.body) : "";
    Object.assign(line, { result: "failed", detail: `${told}${error?.stack ?? error}`.slice(0, 1500) });
  }
  console.log(JSON.stringify(line));
}

export const partial = (kind, call, detail, run) => step(kind, call, run, "partial", detail);
export const unsupported = (kind, call, detail, run) => step(kind, call, run, "unsupported", detail);

export const address = (name) => `${name}.${GIVEN.client.replace("@", "").replace("/", "-")}@rcpt.test`;

const fetchJson = async (path) => (await fetch(`${GIVEN.url}${path}`)).json();

/** The mail that the inbox got for an address, taken apart. */
export async function arrived(to) {
  const until = Date.now() + 20_000;
  while (Date.now() < until) {
    const { data } = await fetchJson(`/inbox/api/messages?to=${encodeURIComponent(to)}&wait=10`);
    if (data.length) return fetchJson(`/inbox/api/messages/${data[0].id}`);
  }
  throw new Error(`no mail for ${to}`);
}

/** The file and the inline picture came whole. */
export function checkFiles(mail, names, cid = "logo") {
  assert.deepEqual(mail.attachments.map((file) => file.filename).sort(), [...names].sort());
  const sizes = Object.fromEntries(mail.attachments.map((file) => [file.content_type, file.size]));
  assert.deepEqual(sizes, { "application/pdf": PDF.length, "image/png": PNG.length });
  const ids = mail.attachments.filter((file) => file.content_id).map((file) => file.content_id.replace(/[<>]/g, ""));
  assert.deepEqual(ids, [cid]);
}

/** What a call is rejected with. */
export async function rejected(run) {
  let found;
  try {
    found = await run();
  } catch (error) {
    return error;
  }
  throw new Error(`nothing was thrown, but answered: ${JSON.stringify(found)}`);
}

/** What a call is rejected with, by a key that may make one request a second. */
export async function untilLimited(run) {
  for (let count = 0; count < 10; count += 1) {
    try {
      await run();
    } catch (error) {
      return error;
    }
  }
  throw new Error("nothing was limited");
}
