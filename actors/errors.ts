/**
 * Errors that travel.
 *
 * What a caller may see carries `public: true` and crosses the wire whole; anything else arrives at a remote
 * caller as `internal` (its details stay in the log of the node where it happened).
 *
 * @module
 */

/** Fields of an {@linkcode OrreryError}. */
export interface OrreryErrorInit {
  /** Area of the system, e.g. `actor`, `mailbox`, `engine`, `model`, `api`, `cluster`. */
  group: string;
  /** Stable machine-readable code within the group, e.g. `deadline_exceeded`. */
  code: string;
  /** One sentence without a final full stop: what, where, which value, what to do. */
  message: string;
  /** May a remote caller or an API client see it? @default true */
  public?: boolean;
  /** Structured facts (numbers, names). Must be CBOR/JSON encodable. */
  metadata?: Record<string, unknown>;
  /** Address of the actor where it happened. */
  actor?: string;
  cause?: unknown;
}

/** The one error class that callers catch; told apart by `group` and `code`. */
export class OrreryError extends Error {
  override readonly name = "OrreryError";
  readonly group: string;
  readonly code: string;
  readonly public: boolean;
  readonly metadata: Record<string, unknown>;
  readonly actor?: string;

  constructor(init: OrreryErrorInit) {
    super(init.message, { cause: init.cause });
    this.group = init.group;
    this.code = init.code;
    this.public = init.public ?? true;
    this.metadata = init.metadata ?? {};
    this.actor = init.actor;
  }

  /** What crosses a process boundary: everything if public, else only that something internal failed. */
  toWire(): WireError {
    if (!this.public) {
      return {
        group: this.group,
        code: "internal",
        message: "internal error (see the log of the node)",
        actor: this.actor,
      };
    }
    return {
      group: this.group,
      code: this.code,
      message: this.message,
      metadata: this.metadata,
      actor: this.actor,
    };
  }

  static fromWire(wire: WireError): OrreryError {
    return new OrreryError({ ...wire, public: true });
  }
}

/** Serialised form of an {@linkcode OrreryError}. */
export interface WireError {
  group: string;
  code: string;
  message: string;
  metadata?: Record<string, unknown>;
  actor?: string;
}

/** Any thrown value as an {@linkcode OrreryError}; unknown errors become non-public `internal` ones. */
export function toOrreryError(error: unknown, actor?: string): OrreryError {
  if (error instanceof OrreryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OrreryError({ group: "actor", code: "internal", message, public: false, actor, cause: error });
}

/** Is it an {@linkcode OrreryError} with this code? */
export function hasCode(error: unknown, code: string): error is OrreryError {
  return error instanceof OrreryError && error.code === code;
}
