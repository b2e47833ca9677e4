/**
 * `deno task doctor`: what is wrong with a cluster, and what to do about it.
 *
 * @module
 */
// deno-lint-ignore-file no-console -- a command talks to its user
import { hasCode } from "../../actors/mod.ts";
import { clientKey } from "../access/mod.ts";
import { type DoctorReport, doctorReportSchema, examineFiles } from "../doctor/mod.ts";
import { readApi } from "./api_call.ts";
import { readFlags, urlOption } from "./args.ts";
import { DOCTOR } from "./commands/mod.ts";
import { fileText, reportText } from "./doctor_text.ts";
import { exitCodes, runCommand } from "./fail.ts";
import { printHelp } from "./print_help.ts";
import { PROGRAM } from "./program_name.ts";
import { waitingFor } from "./progress.ts";

/** Milliseconds in which the report must come: a checkup takes 42 s at most. */
const REPORT_MS = 60_000;

async function doctor(args: string[]): Promise<number> {
  const { values } = readFlags(DOCTOR, args);
  if (!values) return printHelp(DOCTOR);
  const { json, data } = values;
  const url = urlOption("url", values.url);
  const key = clientKey(values["api-key-file"]);
  const start = performance.now();
  let report: DoctorReport;
  try {
    report = await waitingFor("examining every node and link", askDoctor(url, key));
  } catch (error) {
    if (!hasCode(error, "cannot_connect")) throw error;
    return await withoutNode(url, data, json);
  }
  const seconds = (performance.now() - start) / 1000;
  console.log(json ? JSON.stringify(report, null, 2) : reportText(report, seconds));
  return report.ok ? exitCodes.ok : exitCodes.failed;
}

function askDoctor(url: string, key: string | undefined): Promise<DoctorReport> {
  return readApi({ url, path: "/api/doctor", method: "POST", key }, {
    schema: doctorReportSchema,
    what: "a report",
    withinMs: REPORT_MS,
    late:
      "the node that was asked stands still or is very busy, whatever the others do; look at its " +
      "log, or ask another node with --url",
  });
}

/** Examines the files alone. That no node answers is a problem too. */
async function withoutNode(url: string, data: string, json: boolean): Promise<number> {
  const files = await examineFiles(data);
  const problem = {
    about: "node",
    what: `no node answers at ${url}`,
    remedy: `start one with \`${PROGRAM} start\`, or name a running one with --url`,
  };
  const problems = [problem, ...files.faults];
  console.log(
    json ? JSON.stringify({ ok: false, url, files, problems }, null, 2) : fileText(files, problems),
  );
  return exitCodes.failed;
}

if (import.meta.main) await runCommand(doctor);
