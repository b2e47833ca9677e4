/**
 * The ledger once more, as a durable actor: what it keeps is its state, and each add sets an alarm.
 *
 * @module
 */
import { z } from "zod";
import { anyNode, defineActor } from "../../../actors/mod.ts";
import type { Book } from "./ledger.ts";

/** Milliseconds after an add at which its alarm is due. */
const ALARM_MS = 30;
/** Most marks that are owed at a time, so that no world has too many alarms. */
const MOST_OWED = 40;

/** See the module's text. */
export const durableLedger = defineActor({
  kind: "ledger",
  config: z.object({}),
  /** `marks`: of all adds; `owed`: of adds whose alarms have not rung. */
  state: z.object({
    total: z.number(),
    marks: z.array(z.string()),
    owed: z.array(z.string()),
  }).default({ total: 0, marks: [], owed: [] }),
  alarms: true,
  messages: {
    add: z.object({ mark: z.string() }),
    read: z.object({}),
    rung: z.object({ mark: z.string() }),
  },
  callers: anyNode,
  policy: { idleMs: 40 },
  async create(ctx) {
    const book = ctx.resource<Book>("book");
    const { epoch } = await book.owner(ctx.self);
    const { state } = ctx;
    return {
      add({ mark }) {
        book.taken(ctx.self, epoch);
        const { total, marks, owed } = state.value;
        if (marks.includes(mark)) book.fail(`${ctx.self}: ${mark} is added twice`);
        const owes = owed.length < MOST_OWED;
        if (owes) ctx.alarm(ctx.date() + ALARM_MS, { type: "rung", mark });
        state.set({
          total: total + 1,
          marks: [...marks, mark],
          owed: owes ? [...owed, mark] : owed,
        });
        return state.value.total;
      },
      read() {
        book.taken(ctx.self, epoch);
        return state.value.total;
      },
      rung({ mark }) {
        const { owed } = state.value;
        // Its end and this change are one save, so it comes once for the state.
        if (!owed.includes(mark)) book.fail(`${ctx.self}: the alarm of ${mark} rings twice`);
        state.update((s) => ({ ...s, owed: owed.filter((one) => one !== mark) }));
      },
    };
  },
});
