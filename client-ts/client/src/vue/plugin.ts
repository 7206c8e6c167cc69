/** Gives every component of an app its link: `app.use(createLastmile({ link }))`. */
import { type Bus, createBus, type EventMap, type Link } from "@lastmile/client";
import { type App, inject, type InjectionKey } from "vue";

export interface LastmilePlugin {
  install(app: App): void;
}

const LINK: InjectionKey<Link> = Symbol("lastmile link");
const BUS: InjectionKey<Bus<EventMap>> = Symbol("lastmile bus");

export function createLastmile({ link, bus }: { link: Link; bus?: Bus<EventMap> }): LastmilePlugin {
  return {
    install(app) {
      app.provide(LINK, link);
      app.provide(BUS, bus ?? createBus(link));
    },
  };
}

export function useLink(): Link {
  return given(inject(LINK, undefined));
}

/** The app's bus. What a component listens to with `on` ends when the result of that is called. */
export function useBus(): Bus<EventMap> {
  return given(inject(BUS, undefined));
}

function given<T>(value: T | undefined): T {
  if (value) return value;
  throw new Error("There is no link here: app.use(createLastmile({ link })) comes first.");
}
