/** The objects of the API as they are sent and received. Later versions may add members to answers. */

export type Addresses = string | string[];

export interface Attachment {
  filename: string;
  content_type: string;
  content_b64: string;
  /** Makes it an inline image, which the HTML shows by `cid:` and this id. */
  content_id?: string;
}

/** An email to send. Addresses are `a@b.c` or `Name <a@b.c>`; times are ISO 8601 with an offset, or a Date. */
export interface EmailFields {
  from_?: string;
  to: Addresses;
  cc?: Addresses;
  bcc?: Addresses;
  reply_to?: Addresses;
  subject?: string;
  html?: string;
  text?: string;
  template_id?: string;
  template_vars?: Record<string, unknown>;
  locale?: string;
  domain_id?: string;
  track_opens?: boolean;
  track_clicks?: boolean;
  stream?: string;
  enable_unsubscribe?: boolean;
  scheduled_at?: string | Date;
  expires_at?: string | Date;
  attachments?: Attachment[];
  headers?: Record<string, string>;
  tags?: string[];
  metadata?: Record<string, string>;
  priority?: "critical" | "normal" | "bulk";
  on_uncertain?: "retry" | "hold";
}

export interface Recipient {
  address: string;
  name: string;
  kind: "to" | "cc" | "bcc";
  status: string;
  status_reason: string | null;
  next_attempt_at: string | null;
  last_reply: string | null;
}

export interface Email {
  id: string;
  status: string;
  status_reason: string | null;
  test: boolean;
  from_: string;
  to: string[];
  cc: string[];
  bcc: string[];
  subject: string;
  tags: string[];
  metadata: Record<string, string>;
  stream: string;
  created_at: string;
  scheduled_at: string | null;
  sent_at: string | null;
  delivered_at: string | null;
  recipients: Recipient[];
  html?: string | null;
  text?: string | null;
  bodies_purged_at?: string | null;
}

export interface Page<T> {
  data: T[];
  has_more: boolean;
  limit: number;
  /** The value for `after`. */
  next: string | null;
}

export interface Batch {
  data: { index: number; id: string; status: string }[];
  errors: { index: number; errors: { field: string; code: string; message: string }[] }[];
}

export interface Event {
  id: string;
  type: string;
  email_id: string;
  recipient: string | null;
  occurred_at: string;
  data: Record<string, unknown>;
}

/** The body of a webhook post. */
export interface WebhookEvent {
  type: string;
  timestamp: string;
  data: Record<string, unknown>;
}

export type Json = Record<string, unknown>;
export type Query = Record<string, string | number | boolean | Date | string[] | null | undefined>;
