/**
 * Icons as lines of 24 by 24.
 *
 * @module
 */
import { html } from "./html.js";

/** @type {Record<string, string>} */
const PATHS = {
  chat: "M4 5h16v11H9l-5 4z",
  cluster: "M4 4h6v6H4zM14 14h6v6h-6zM14 4h6v6h-6zM10 7h4M17 10v4",
  timeline: "M4 6h9M8 12h9M13 18h7M4 4v16",
  plan: "M4 19V9M10 19V5M16 19v-7M20 19H3",
  models: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM4 7.5l8 4.5 8-4.5M12 12v9",
  deployments: "M12 3v12M7 8l5-5 5 5M4 15v5h16v-5",
  send: "M12 20V5M6 11l6-6 6 6",
  stop: "M7 7h10v10H7z",
  edit: "M4 20l1-4L16 5l3 3L8 19zM14 7l3 3",
  again: "M20 12a8 8 0 1 1-2.3-5.6M20 4v4h-4",
  copy: "M9 9h10v11H9zM5 15V4h10",
  plus: "M12 5v14M5 12h14",
  trash: "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13",
  light:
    "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM12 2v3M12 19v3M2 12h3M19 12h3M5 5l2 2M17 17l2 2M19 5l-2 2M7 17l-2 2",
  dark: "M20 14.5A8.5 8.5 0 1 1 9.5 4a7 7 0 0 0 10.5 10.5z",
  system: "M4 5h16v11H4zM9 20h6M12 16v4",
  key: "M14 10a4 4 0 1 0-3.4 3.9L13 16h3v3h4v-4l-6.2-4.2",
  check: "M5 12l5 5 9-10",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
};

/** @param {{name: string}} props */
export const Icon = ({ name }) =>
  html`
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d=${PATHS[name]} />
    </svg>
  `;

/** The sign of the project: a sun with two planets. */
export const Logo = () =>
  html`
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="8" />
      <circle cx="16" cy="16" r="14" />
      <circle class="full" cx="16" cy="16" r="3.4" />
      <circle class="full inner" cx="22.9" cy="12" r="2.6" />
      <circle class="full outer" cx="6.1" cy="25.9" r="2.6" />
    </svg>
  `;
