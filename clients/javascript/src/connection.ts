import { EmailsvcError, readError, UnreachableError } from "./errors.ts";
import type { Query } from "./objects.ts";

export interface Options {
  /** The service's URL, without `/api/v1`. Default: `EMAILSVC_URL` of the environment. */
  url?: string;
  /** Default: `EMAILSVC_API_KEY` of the environment. */
  apiKey?: string;
  /** Of one attempt, in milliseconds. */
  timeout?: number;
  maxAttempts?: number;
  /** A wait of more seconds ends the call instead. */
  maxWait?: number;
  fetch?: typeof fetch;
  sleep?: (milliseconds: number) => Promise<void>;
}

/** A request before it is sent. All its attempts have the same idempotency key. */
export interface Call {
  method: "GET" | "POST" | "PATCH" | "DELETE";
  path: string;
  query?: Query;
  body?: unknown;
  idempotencyKey?: string;
}

// The service stored nothing: any call may be tried again.
const REFUSED_FOR_NOW = new Set([429, 503]);
// Something between has failed: only what is harmless when it is done twice is tried again.
const UNKNOWN = new Set([500, 502, 504]);
const FIRST_WAIT = 0.5;
const API = "/api/v1";

/** Sends calls, again if that helps. */
export class Connection {
  readonly url: string;
  readonly #key: string;
  readonly #options: Required<Omit<Options, "url" | "apiKey">>;

  constructor(options: Options = {}) {
    const environment = (globalThis as { process?: { env: Record<string, string | undefined> } }).process?.env ?? {};
    const url = options.url ?? environment.EMAILSVC_URL;
    const key = options.apiKey ?? environment.EMAILSVC_API_KEY;
    if (!url) throw new EmailsvcError("There is no URL: pass one, or set EMAILSVC_URL.");
    if (!key) throw new EmailsvcError("There is no API key: pass one, or set EMAILSVC_API_KEY.");
    this.url = url.replace(/\/+$/, "").replace(/\/api\/v1$/, "");
    this.#key = key;
    this.#options = {
      timeout: options.timeout ?? 30_000,
      maxAttempts: options.maxAttempts ?? 5,
      maxWait: options.maxWait ?? 30,
      fetch: options.fetch ?? globalThis.fetch.bind(globalThis),
      sleep: options.sleep ?? ((milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))),
    };
  }

  /** The answer's JSON; null without a body. Throws ApiError and UnreachableError. */
  async json<T>(call: Call): Promise<T> {
    const text = await (await this.send(call)).text();
    return (text ? JSON.parse(text) : null) as T;
  }

  async bytes(call: Call): Promise<Uint8Array> {
    return new Uint8Array(await (await this.send(call)).arrayBuffer());
  }

  async send(call: Call): Promise<Response> {
    const idempotencyKey = call.method === "POST" ? (call.idempotencyKey ?? crypto.randomUUID()) : undefined;
    const isRepeatable = call.method === "GET" || idempotencyKey !== undefined;
    for (let attempt = 1; ; attempt++) {
      let asked = 0;
      const outcome = await this.#attempt(call, idempotencyKey);
      if (outcome instanceof Response) {
        if (outcome.ok) return outcome;
        const error = await readError(outcome);
        const mayRepeat =
          REFUSED_FOR_NOW.has(error.status) ||
          error.code === "idempotency_in_flight" ||
          (UNKNOWN.has(error.status) && isRepeatable);
        asked = error.retryAfter ?? 0;
        if (!mayRepeat || attempt >= this.#options.maxAttempts || asked > this.#options.maxWait) throw error;
      } else if (!isRepeatable || attempt >= this.#options.maxAttempts) {
        throw new UnreachableError(`${outcome.name}: ${outcome.message}`, { cause: outcome });
      }
      const ours = FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + Math.random() / 2);
      await this.#options.sleep(Math.min(Math.max(ours, asked), this.#options.maxWait) * 1000);
    }
  }

  async #attempt(call: Call, idempotencyKey: string | undefined): Promise<Response | Error> {
    const headers: Record<string, string> = { Authorization: `Bearer ${this.#key}` };
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    if (call.body !== undefined) headers["Content-Type"] = "application/json";
    try {
      return await this.#options.fetch(`${this.url}${API}${call.path}${writeQuery(call.query)}`, {
        method: call.method,
        headers,
        body: call.body === undefined ? undefined : JSON.stringify(call.body),
        redirect: "manual",
        signal: AbortSignal.timeout(this.#options.timeout),
      });
    } catch (error) {
      // fetch gives a TypeError for a connection that fails, and a TimeoutError for the signal.
      if (error instanceof Error && ["TypeError", "TimeoutError", "AbortError"].includes(error.name)) return error;
      throw error;
    }
  }
}

/** The parameters that are given; a list is joined by commas. */
function writeQuery(query: Query = {}): string {
  const found = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === null || value === undefined) continue;
    found.set(name, value instanceof Date ? value.toISOString() : String(value));
  }
  const text = found.toString();
  return text ? `?${text}` : "";
}
