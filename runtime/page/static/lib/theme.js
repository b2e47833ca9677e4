/**
 * Light, dark, or as the system says.
 *
 * @module
 */

const THEME = "orrery.theme";
const THEMES = ["system", "light", "dark"];

/** The theme that was chosen. */
export const theme = () => {
  const kept = localStorage.getItem(THEME);
  return THEMES.includes(kept) ? kept : "system";
};

/** Shows the page in a theme and keeps the choice. @param {string} chosen */
export function setTheme(chosen) {
  localStorage.setItem(THEME, chosen);
  showTheme();
}

/** Shows the page in the theme that was chosen. */
export function showTheme() {
  const chosen = theme();
  if (chosen === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = chosen;
}

/** The theme after this one. @param {string} now */
export const nextTheme = (now) => THEMES[(THEMES.indexOf(now) + 1) % THEMES.length];
