/** What the pages are called, and what stands for them. */
import type { Page } from "../state/place.ts";

export const titles: Readonly<Record<Page, string>> = {
  live: "Live",
  board: "Board",
  users: "Users",
  lab: "Lab",
  metrics: "Metrics",
  api: "API",
};

/** Paths of 16 by 16 drawings, lines without filling. */
export const icons: Readonly<Record<Page, string>> = {
  live: "M1 8h3l2-5 4 10 2-5h3",
  board: "M2 3h5v10H2z M9 3h5v6H9z",
  users: "M8 7.5a2.5 2.5 0 1 0 0-5 2.5 2.5 0 0 0 0 5z M3 13.5c0-2.5 2-4 5-4s5 1.5 5 4",
  lab: "M6 2v4.5L2.5 13h11L10 6.5V2 M5 2h6 M4.5 10h7",
  metrics: "M2 13.5h12 M3.5 11V8 M6.5 11V4 M9.5 11V6.5 M12.5 11V2.5",
  api: "M5.5 4 2 8l3.5 4 M10.5 4 14 8l-3.5 4",
};
