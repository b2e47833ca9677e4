/**
 * Errors that travel.
 *
 * What a caller may see carries `public: true` and crosses the wire whole; anything else arrives at
 * a remote caller as `internal` (its details stay in the log of the node where it happened).
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
  /** What led to it; stays on this node. */
  cause?: unknown;
}

/** Longest message that crosses a process boundary, UTF-16 units; a longer one is cut. */
export const MAX_MESSAGE_CHARS = 8192;

/** The one error class that callers catch; told apart by `group` and `code`. */
export class OrreryError extends Error {
  /** Always this, also for errors that came over the wire. */
  override readonly name = "OrreryError";
  /** See {@linkcode OrreryErrorInit.group}. */
  readonly group: string;
  /** See {@linkcode OrreryErrorInit.code}. */
  readonly code: string;
  /** May a remote caller or an API client see it? */
  readonly public: boolean;
  /** Structured facts; {} where there are none. */
  readonly metadata: Record<string, unknown>;
  /** Address of the actor where it happened, if in one. */
  readonly actor?: string;

  /** What `init` leaves out is public and has no metadata. */
  constructor(init: OrreryErrorInit) {
    super(init.message, { cause: init.cause });
    this.group = init.group;
    this.code = init.code;
    this.public = init.public ?? true;
    this.metadata = init.metadata ?? {};
    this.actor = init.actor;
  }

  /**
   * What crosses a process boundary: everything if public, else only that something internal
   * failed.
   */
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
      message: this.message.slice(0, MAX_MESSAGE_CHARS),
      metadata: this.metadata,
      actor: this.actor,
    };
  }

  /**
   * The error that a peer sent with {@linkcode OrreryError.toWire}; public, since the peer gave
   * only what is.
   */
  static fromWire(wire: WireError): OrreryError {
    return new OrreryError({ ...wire, public: true });
  }
}

/** Serialised form of an {@linkcode OrreryError}. */
export interface WireError {
  /** See {@linkcode OrreryErrorInit.group}; kept for an error that is not public. */
  group: string;
  /** See {@linkcode OrreryErrorInit.code}; `internal` for an error that is not public. */
  code: string;
  /** One sentence; tells nothing of an error that is not public. */
  message: string;
  /** Structured facts; of an error that is not public at most which message was refused. */
  metadata?: Record<string, unknown>;
  /** Address of the actor where it happened, if in one. */
  actor?: string;
}

/**
 * Any thrown value as an {@linkcode OrreryError}; unknown errors become non-public `internal` ones.
 */
export function toOrreryError(error: unknown, actor?: string): OrreryError {
  if (error instanceof OrreryError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new OrreryError({
    group: "actor",
    code: "internal",
    message,
    public: false,
    actor,
    cause: error,
  });
}

/** Is it an {@linkcode OrreryError} with this code? */
export function hasCode(error: unknown, code: string): error is OrreryError {
  return error instanceof OrreryError && error.code === code;
}
