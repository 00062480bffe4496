export { Emailsvc, type EmailFilters, type Keyed, type Paging } from "./client.ts";
export type { Call, Options } from "./connection.ts";
export { ApiError, EmailsvcError, type FieldProblem, UnreachableError } from "./errors.ts";
export type * from "./objects.ts";
export { InvalidSignatureError, Webhook } from "./webhooks.ts";
