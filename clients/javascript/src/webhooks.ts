import { EmailsvcError } from "./errors.ts";
import type { WebhookEvent } from "./objects.ts";

const TOLERANCE_SECONDS = 300;

/** The post is not from the service, or it is too old. */
export class InvalidSignatureError extends EmailsvcError {
  override name = "InvalidSignatureError";
}

/** The secret of an endpoint (Standard Webhooks 1.0), or several of them while it is rotated. */
export class Webhook {
  readonly #keys: Uint8Array<ArrayBuffer>[];
  readonly #now: () => number;

  constructor(secret: string | string[], now: () => number = Date.now) {
    this.#keys = [secret].flat().map((each) => decode(each.trim().replace(/^whsec_/, "")));
    if (!this.#keys.length || this.#keys.some((key) => !key.length)) throw new TypeError("The webhook secret is empty.");
    this.#now = now;
  }

  /** The event of a genuine post. `body` is the body as it came, not parsed and written again. */
  async verify(body: string | Uint8Array, headers: Headers | Record<string, string | undefined>): Promise<WebhookEvent> {
    const given = new Headers(headers instanceof Headers ? headers : onlyGiven(headers));
    const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map(
      (name) => given.get(`webhook-${name}`) ?? given.get(`svix-${name}`) ?? "",
    ) as [string, string, string];
    if (!id || !timestamp || !signatures) throw new InvalidSignatureError("A header of the signature is missing.");
    if (!/^\d{1,15}$/.test(timestamp) || Math.abs(this.#now() / 1000 - Number(timestamp)) > TOLERANCE_SECONDS) {
      throw new InvalidSignatureError("The post is too old, or one of the clocks is wrong.");
    }
    const raw = typeof body === "string" ? new TextEncoder().encode(body) : body;
    const head = new TextEncoder().encode(`${id}.${timestamp}.`);
    const signed = new Uint8Array(head.length + raw.length);
    signed.set(head);
    signed.set(raw, head.length);
    if (!(await this.#fits(signed, signatures))) throw new InvalidSignatureError("No signature fits.");
    return JSON.parse(new TextDecoder().decode(raw)) as WebhookEvent;
  }

  /** Whether one of the signatures is by one of the secrets; WebCrypto compares in constant time. */
  async #fits(signed: Uint8Array<ArrayBuffer>, signatures: string): Promise<boolean> {
    const candidates = signatures.split(" ").filter((each) => each.startsWith("v1,"));
    for (const key of this.#keys) {
      const secret = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
      for (const candidate of candidates) {
        const signature = decodeOrNull(candidate.slice(3));
        if (signature && (await crypto.subtle.verify("HMAC", secret, signature, signed))) return true;
      }
    }
    return false;
  }
}

function onlyGiven(headers: Record<string, string | undefined>): [string, string][] {
  return Object.entries(headers).filter((each): each is [string, string] => typeof each[1] === "string");
}

/** Throws for what is not base64. */
function decode(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
}

function decodeOrNull(text: string): Uint8Array<ArrayBuffer> | null {
  try {
    return decode(text);
  } catch {
    // A stranger wrote it; it fits nothing.
    return null;
  }
}
