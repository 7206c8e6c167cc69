/** Gives every component of an app its link: `app.use(createLastmile({ link }))`. */
import type { Link } from "@lastmile/client";
import { type App, inject, type InjectionKey } from "vue";

export interface LastmilePlugin {
  install(app: App): void;
}

const LINK: InjectionKey<Link> = Symbol("lastmile link");

export function createLastmile({ link }: { link: Link }): LastmilePlugin {
  return { install: (app) => void app.provide(LINK, link) };
}

export function useLink(): Link {
  const link = inject(LINK, undefined);
  if (link) return link;
  throw new Error("There is no link here: app.use(createLastmile({ link })) comes first.");
}
