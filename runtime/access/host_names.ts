/**
 * Under which names the API answers.
 *
 * A web page of a stranger can give its own name the address of this machine after it was loaded
 * (DNS rebinding); its scripts then count as the same origin as the API and could read all answers.
 * Such a request carries the stranger's name in its `Host` header, so only known names are
 * answered. An address in numbers is always answered: no name leads to it.
 *
 * @module
 */
import { hostname } from "node:os";
import { isIP } from "node:net";

/** A host name as DNS has it, in lower case: labels of letters, digits, `-` and `_`. */
const NAME =
  /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** The names under which the API answers. */
export class HostNames {
  readonly #names: Set<string>;

  /**
   * `localhost` and this machine's names are known; `more` are the names given by the user, the
   * address of `--host` among them. `machine` is the name of this machine.
   */
  constructor(more: readonly string[] = [], { machine = hostname() } = {}) {
    const own = machine.toLowerCase();
    const short = own.split(".")[0];
    this.#names = new Set([
      ...["localhost", own, short, `${short}.local`],
      ...more.map((name) => HostNames.normal(name) ?? name),
    ]);
  }

  /**
   * Does the API answer a request with this `Host` header? `undefined`: it has none, which only
   * clients older than HTTP/1.1 do, and those run no scripts.
   */
  allows(header: string | undefined): boolean {
    if (header === undefined) return true;
    const name = HostNames.normal(header);
    if (name === undefined) return false;
    return isIP(name) !== 0 || this.#names.has(name) || name.endsWith(".localhost");
  }

  /**
   * The name or address in a `Host` header: without the port, in lower case, without a final dot
   * and without the brackets of IPv6. Undefined: the header has neither.
   */
  static normal(header: string): string | undefined {
    const match = /^(?:\[([0-9a-f:.]+)\]|([^:[\]]+))(?::\d{1,5})?$/i.exec(header);
    if (!match) return undefined;
    if (match[1] !== undefined) return isIP(match[1]) === 6 ? match[1].toLowerCase() : undefined;
    const name = match[2].toLowerCase().replace(/\.$/, "");
    return isIP(name) !== 0 || NAME.test(name) ? name : undefined;
  }
}
