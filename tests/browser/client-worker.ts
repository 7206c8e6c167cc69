// The worker in which all tabs have their session.
import { serveTabs } from "@lastmile/client/worker";

serveTabs();
