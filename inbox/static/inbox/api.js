// The inbox's JSON, relative to the page.

const MESSAGES = new URL("api/messages", document.baseURI);
export const STREAM = new URL("api/stream", document.baseURI);

export class Gone extends Error {}

async function call(url, options) {
  const response = await fetch(url, options);
  if (response.status === 404) throw new Gone("gone");
  if (!response.ok) throw new Error(`The inbox answered ${response.status}.`);
  return response;
}

function messageUrl(id, rest = "") {
  return `${MESSAGES}/${encodeURIComponent(id)}${rest}`;
}

export const rawUrl = (id) => messageUrl(id, "/raw");
export const htmlUrl = (id) => messageUrl(id, "/html");
export const attachmentUrl = (id, index) => messageUrl(id, `/attachments/${index}`);

export async function listMessages(query) {
  const url = new URL(MESSAGES);
  for (const [name, value] of Object.entries(query)) if (value) url.searchParams.set(name, value);
  return (await call(url)).json();
}

export async function readMessage(id) {
  return (await call(messageUrl(id))).json();
}

// Source is shown up to `most` bytes; the download has all of it.
export async function readSource(id, most) {
  const data = await (await call(rawUrl(id))).arrayBuffer();
  return { text: new TextDecoder().decode(data.slice(0, most)), isCut: data.byteLength > most };
}

export async function deleteMessage(id) {
  await call(messageUrl(id), { method: "DELETE" });
}

export async function deleteMessages() {
  await call(MESSAGES, { method: "DELETE" });
}
