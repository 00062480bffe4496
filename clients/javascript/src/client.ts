import { Connection, type Call, type Options } from "./connection.ts";
import type { Addresses, Batch, Email, EmailFields, Event, Json, Page, Query } from "./objects.ts";

/** Has an idempotency key of the caller's own; by default each call makes one for its attempts. */
export interface Keyed {
  idempotencyKey?: string;
}

const part = encodeURIComponent;

/** Calls of a service with one key. Each method is the operation of its name in the API's reference. */
export class Emailsvc {
  readonly #connection: Connection;

  constructor(options: Options = {}) {
    this.#connection = new Connection(options);
  }

  // Emails

  sendEmail = (email: EmailFields, { idempotencyKey }: Keyed = {}) => this.#post<Email>("/emails", email, { idempotencyKey });
  dryRunEmail = (email: EmailFields) => this.#post<Json>("/emails", email, { query: { dry_run: true } });
  sendBatch = (emails: EmailFields[], { mode = "strict", idempotencyKey }: { mode?: "strict" | "permissive" } & Keyed = {}) =>
    this.#post<Batch>("/emails/batch", emails, { query: { mode }, idempotencyKey });
  listEmails = ({ metadata = {}, ...filters }: EmailFilters = {}) =>
    this.#get<Page<Email>>("/emails", { ...filters, ...nameMetadata(metadata) });
  getEmail = (id: string) => this.#get<Email>(`/emails/${part(id)}`);
  listEmailEvents = (id: string, query: Paging = {}) => this.#get<Page<Event>>(`/emails/${part(id)}/events`, query);
  explainEmail = (id: string) => this.#get<Json>(`/emails/${part(id)}/explain`);
  getEmailRaw = (id: string, query: { recipient?: string } = {}) =>
    this.#connection.bytes({ method: "GET", path: `/emails/${part(id)}/raw`, query });
  getEmailAttachment = (id: string, attachmentId: string) =>
    this.#connection.bytes({ method: "GET", path: `/emails/${part(id)}/attachments/${part(attachmentId)}` });
  cancelEmail = (id: string, { idempotencyKey }: Keyed = {}) =>
    this.#post<Email>(`/emails/${part(id)}/cancel`, undefined, { idempotencyKey });
  rescheduleEmail = (id: string, body: { scheduled_at: string | Date }) => this.#patch<Email>(`/emails/${part(id)}`, body);
  resendEmail = (id: string, body: { recipients?: "all" | "failed"; to?: Addresses } = {}, { idempotencyKey }: Keyed = {}) =>
    this.#post<Email>(`/emails/${part(id)}/resend`, body, { idempotencyKey });
  settleEmail = (id: string, body: { as: "sent" | "retry" | "failed" }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Email>(`/emails/${part(id)}/settle`, body, { idempotencyKey });
  settleEmails = (body: { ids: string[]; as: "sent" | "retry" | "failed" }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Batch>("/emails/settle", body, { idempotencyKey });

  // Events

  listEvents = (query: Paging & { types?: string[]; test?: boolean } = {}) => this.#get<Page<Event>>("/events", { ...query });

  // Templates

  listTemplates = (query: Paging & { alias?: string } = {}) => this.#get<Page<Json>>("/templates", { ...query });
  getTemplate = (ref: string) => this.#get<Json>(`/templates/${part(ref)}`);
  createTemplate = (body: Json, { idempotencyKey }: Keyed = {}) => this.#post<Json>("/templates", body, { idempotencyKey });
  updateTemplate = (ref: string, body: Json) => this.#patch<Json>(`/templates/${part(ref)}`, body);
  deleteTemplate = (ref: string) => this.#delete(`/templates/${part(ref)}`);
  publishTemplate = (ref: string, body: { version?: number } = {}, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>(`/templates/${part(ref)}/publish`, body, { idempotencyKey });
  previewTemplate = (ref: string, body: { template_vars: Json; locale?: string }) =>
    this.#post<Json>(`/templates/${part(ref)}/preview`, body);
  testTemplate = (ref: string, body: { to: Addresses; template_vars?: Json }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>(`/templates/${part(ref)}/test`, body, { idempotencyKey });

  // Domains, suppressions, webhooks, streams

  listDomains = (query: Paging & { name?: string } = {}) => this.#get<Page<Json>>("/domains", { ...query });
  createDomain = (body: { name: string; default_from?: string }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>("/domains", body, { idempotencyKey });
  getDomain = (id: string) => this.#get<Json>(`/domains/${part(id)}`);
  verifyDomain = (id: string, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>(`/domains/${part(id)}/verify`, undefined, { idempotencyKey });
  deleteDomain = (id: string) => this.#delete(`/domains/${part(id)}`);
  listSuppressions = (query: Paging & { address?: string; stream?: string; reason?: string; q?: string } = {}) =>
    this.#get<Page<Json>>("/suppressions", { ...query });
  createSuppression = (body: { address: string; reason?: string; stream?: string }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>("/suppressions", body, { idempotencyKey });
  deleteSuppression = (address: string, query: { stream?: string; reason?: string } = {}) =>
    this.#delete(`/suppressions/${part(address)}`, query);
  listWebhooks = (query: Paging = {}) => this.#get<Page<Json>>("/webhooks", { ...query });
  createWebhook = (body: { url: string; events: string[] }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>("/webhooks", body, { idempotencyKey });
  deleteWebhook = (id: string) => this.#delete(`/webhooks/${part(id)}`);
  testWebhook = (id: string, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>(`/webhooks/${part(id)}/test`, undefined, { idempotencyKey });
  rotateWebhook = (id: string, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>(`/webhooks/${part(id)}/rotate`, undefined, { idempotencyKey });
  listStreams = (query: Paging = {}) => this.#get<Page<Json>>("/streams", { ...query });
  createStream = (body: { name: string; type: "transactional" | "broadcast" }, { idempotencyKey }: Keyed = {}) =>
    this.#post<Json>("/streams", body, { idempotencyKey });

  // The key, and the rest

  getMe = () => this.#get<Json>("/me");
  getStats = (query: { from?: string | Date; to?: string | Date; by?: "hour" | "day"; group?: string } = {}) =>
    this.#get<Json>("/stats", { ...query });

  /** Any other call: `request({ method: "GET", path: "/providers" })`. `path` begins behind `/api/v1`. */
  request = <T = unknown>(call: Call) => this.#connection.json<T>(call);

  /** Every row of a list, page by page: `for await (const email of emailsvc.iterate(emailsvc.listEmails, { tag: "a" }))`. */
  async *iterate<T, Q extends Paging>(list: (query: Q) => Promise<Page<T>>, query?: Q): AsyncGenerator<T> {
    let after: string | null | undefined = query?.after;
    for (let hasMore = true; hasMore; ) {
      const page = await list({ ...(query as Q), ...(after ? { after } : {}) });
      yield* page.data;
      after = page.next;
      hasMore = page.has_more;
    }
  }

  #get<T>(path: string, query?: Query): Promise<T> {
    return this.#connection.json<T>({ method: "GET", path, query });
  }

  #post<T>(path: string, body: unknown, more: { query?: Query } & Keyed = {}): Promise<T> {
    return this.#connection.json<T>({ method: "POST", path, body, ...more });
  }

  #patch<T>(path: string, body: unknown): Promise<T> {
    return this.#connection.json<T>({ method: "PATCH", path, body });
  }

  #delete(path: string, query?: Query): Promise<null> {
    return this.#connection.json<null>({ method: "DELETE", path, query });
  }
}

export interface Paging extends Query {
  limit?: number;
  after?: string;
}

export interface EmailFilters {
  status?: string;
  status_reason?: string;
  to?: string;
  from_?: string;
  tag?: string;
  metadata?: Record<string, string>;
  template_id?: string;
  remote_id?: string;
  q?: string;
  created_after?: string | Date;
  created_before?: string | Date;
  test?: boolean;
  limit?: number;
  offset?: number;
  after?: string;
  before?: string;
}

function nameMetadata(metadata: Record<string, string>): Query {
  return Object.fromEntries(Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value]));
}
