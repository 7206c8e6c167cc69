/** The bus of a component's link. */
import { type Bus, createBus, type EventMap, type Link } from "@lastmile/client";
import { onScopeDispose } from "vue";
import { useLink } from "./plugin.ts";

const buses = new WeakMap<Link, Bus<EventMap>>();

/** One bus for all components; what this one listens to ends with it. */
export function useBus(): Bus<EventMap> {
  const link = useLink();
  const bus = buses.get(link) ?? createBus(link);
  buses.set(link, bus);
  const stops: (() => void)[] = [];
  onScopeDispose(() => stops.forEach((stop) => stop()), true);
  const kept = (stop: () => void): (() => void) => {
    stops.push(stop);
    return stop;
  };
  return { ...bus, on: (pattern, listener) => kept(bus.on(pattern, listener)), once: (pattern, listener) => kept(bus.once(pattern, listener)) };
}
