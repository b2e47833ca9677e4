/**
 * Arrays as grammars.
 *
 * @module
 */
import { repeat } from "../ebnf.ts";
import { unsupported } from "../errors.ts";
import { type ArrayBranch, itemNode } from "./branch.ts";
import { blank, enclosed, type Writing } from "./writing.ts";

/** Most values among which the items of an array with `uniqueItems` are. */
const MOST_UNIQUE = 7;

/** A rule for the branch's arrays; there is one. */
export function writeArray(branch: ArrayBranch, writer: Writing): string {
  const { rules, schemas } = writer;
  const longest = Math.max(0, ...branch.layers.map(({ prefix }) => prefix.length));
  let { most } = branch;
  for (let i = 0; i <= longest && i < most; i++) {
    if (!schemas.inhabitedNode(itemNode(branch, i))) most = i;
  }
  const limited = { ...branch, most };
  if (branch.contains.length > 0) return writeContains(limited, longest, writer);
  if (branch.unique && most > 1) return writeUnique(limited, longest, writer);
  const comma = `"," ${blank(rules)}`;
  const item = (i: number) => writer.node(itemNode(branch, i));
  const tail = (i: number): string => {
    if (i >= most) return "";
    if (i >= longest) {
      const each = rules.of(`${comma} ${item(i)}`);
      return repeat(each, Math.max(0, branch.least - i), most - i);
    }
    const next = `${comma} ${item(i)} ${tail(i + 1)}`;
    return i < branch.least ? next : `(${next})?`;
  };
  const empty = branch.least === 0 ? [enclosed(rules, "[]", "")] : [];
  const full = most > 0 ? [enclosed(rules, "[]", `${item(0)} ${tail(1)}`)] : [];
  return rules.of([...empty, ...full].join(" | "));
}

/** Items before and behind one that must be there. */
function writeContains(branch: ArrayBranch, longest: number, writer: Writing): string {
  const { rules } = writer;
  const plain = longest === 0 && branch.contains.length === 1 && branch.least <= 1 &&
    branch.most === Infinity && !branch.unique;
  if (!plain) {
    throw unsupported(
      "contains",
      branch.path,
      "beside other keywords of arrays than items it is not",
    );
  }
  const item = writer.node(itemNode(branch, 0));
  const needed = [...itemNode(branch, 0), ...branch.contains[0]];
  if (!writer.schemas.inhabitedNode(needed)) {
    throw unsupported("contains", branch.path, "no item can be what it wants");
  }
  const comma = `"," ${blank(rules)}`;
  const [before, after] = [rules.of(`${item} ${comma}`), rules.of(`${comma} ${item}`)];
  return rules.of(enclosed(rules, "[]", `${before}* ${writer.node(needed)} ${after}*`));
}

/** Items that differ, of a few values: each rule says which of them are still to be had. */
function writeUnique(branch: ArrayBranch, longest: number, writer: Writing): string {
  const { rules, schemas } = writer;
  const node = itemNode(branch, 0);
  const values = node.length === 0 ? [] : schemas.expand(node).flatMap((each) => {
    if (each.type === "literal") return [each.value];
    if (each.type === "boolean") return [true, false];
    return each.type === "null" ? [null] : [undefined];
  });
  if (
    longest > 0 || values.length === 0 || values.length > MOST_UNIQUE ||
    values.some((value) => typeof value === "object" && value !== null || value === undefined)
  ) {
    throw unsupported(
      "uniqueItems",
      branch.path,
      `it is only where the items are an enum of up to ${MOST_UNIQUE} values`,
    );
  }
  const words = values.map((value) => JSON.stringify(JSON.stringify(value)));
  const known = new Map<number, string>();
  const rest = (used: number, count: number): string => {
    const name = known.get(used);
    if (name !== undefined) return name;
    const options = count >= branch.least ? [`""`] : [];
    if (count < branch.most) {
      const comma = count > 0 ? `"," ${blank(rules)} ` : "";
      words.forEach((word, i) => {
        if ((used & (1 << i)) !== 0) return;
        options.push(`${comma}${word} ${rest(used | (1 << i), count + 1)}`);
      });
    }
    const made = rules.of(options.length === 0 ? `""` : options.join(" | "));
    known.set(used, made);
    return made;
  };
  if (branch.least > words.length) {
    throw unsupported("uniqueItems", branch.path, "there are fewer values than items");
  }
  const empty = branch.least === 0 ? [enclosed(rules, "[]", "")] : [];
  const some = words.map((word, i) => `${word} ${rest(1 << i, 1)}`);
  return rules.of([...empty, enclosed(rules, "[]", rules.of(some.join(" | ")))].join(" | "));
}
