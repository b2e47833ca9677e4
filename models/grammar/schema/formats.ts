/**
 * The formats of strings that are held to, as patterns of whole strings.
 *
 * @module
 */
const LEAP = "(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:[02468][048]|[13579][26])00)";
const DATE = "(?:[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|" +
  "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))|" + `${LEAP}-02-29)`;
const TIME = "(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,9})?" +
  "(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])";
const BYTE = "(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
const IPV4 = `${BYTE}(?:\\.${BYTE}){3}`;
const LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const HOST = `${LABEL}(?:\\.${LABEL}){0,7}`;
const H16 = "[0-9A-Fa-f]{1,4}";

function ipv6(): string {
  const options = [`(?:${H16}:){7}${H16}`, `(?:${H16}:){6}${IPV4}`];
  for (let before = 0; before <= 6; before++) {
    const head = before === 0 ? "" : `${H16}(?::${H16}){${before - 1}}`;
    const after = 6 - before; // groups that may stand behind "::", so that it stands for one at least
    options.push(after === 0 ? `${head}::${H16}?` : `${head}::(?:${H16}(?::${H16}){0,${after}})?`);
    if (after >= 2) options.push(`${head}::(?:${H16}:){0,${after - 2}}${IPV4}`);
  }
  options.push(`${H16}(?::${H16}){6}::`);
  return options.join("|");
}

const PCT = "%[0-9A-Fa-f]{2}";
const PCHAR = `(?:[A-Za-z0-9._~!$&'()*+,;=:@-]|${PCT})`;
const TAIL = `(?:\\?(?:${PCHAR}|[/?])*)?(?:#(?:${PCHAR}|[/?])*)?`;
const AUTHORITY = `(?:[A-Za-z0-9._~-]+@)?(?:${HOST}|${IPV4})(?::[0-9]{1,5})?`;
const URI = `[A-Za-z][A-Za-z0-9+.-]*:(?://${AUTHORITY}(?:/${PCHAR}*)*|` +
  `/?${PCHAR}+(?:/${PCHAR}*)*)${TAIL}`;
const ATOM = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+";
const POINTER = "(?:/(?:[^~/]|~[01])*)*";

/** A pattern of whole strings by the format's name. */
export const FORMATS: Readonly<Record<string, string>> = {
  date: DATE,
  time: TIME,
  "date-time": `${DATE}[Tt]${TIME}`,
  duration:
    "P(?:[0-9]{1,6}W|(?:[0-9]{1,6}Y(?:[0-9]{1,6}M(?:[0-9]{1,6}D)?)?|[0-9]{1,6}M(?:[0-9]{1,6}D)?|[0-9]{1,6}D)" +
    "(?:T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))?|" +
    "T(?:[0-9]{1,6}H(?:[0-9]{1,6}M(?:[0-9]{1,6}S)?)?|[0-9]{1,6}M(?:[0-9]{1,6}S)?|[0-9]{1,6}S))",
  email: `${ATOM}(?:\\.${ATOM})*@${LABEL}(?:\\.${LABEL}){1,7}`,
  hostname: HOST,
  ipv4: IPV4,
  ipv6: ipv6(),
  uuid: "[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}",
  uri: URI,
  "uri-reference": `(?:${URI}|(?:/${PCHAR}*)+${TAIL}|[A-Za-z0-9._~-]+(?:/${PCHAR}*)*${TAIL})`,
  "json-pointer": POINTER,
};

/** Formats that say how a program may keep a value, and forbid none of it. */
export const ANNOTATIONS: ReadonlySet<string> = new Set([
  ...["int32", "int64", "float", "double", "password", "binary"],
]);
