// A view that is fetched when it is opened.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../i18n";
import { Button, ProblemBox } from "./parts";

export function lazy(load: () => Promise<{ default: ComponentType }>): ComponentType {
  let loaded: ComponentType | undefined;
  return function Lazy() {
    const [View, setView] = useState<ComponentType | undefined>(() => loaded);
    const [failed, setFailed] = useState(false);
    const fetchIt = (): void => {
      setFailed(false);
      load().then(
        (module) => {
          loaded = module.default;
          setView(() => module.default);
        },
        () => setFailed(true),
      );
    };
    useEffect(() => {
      if (!loaded) fetchIt();
    }, []);
    if (View) return <View />;
    if (!failed) return <p class="muted waiting">{t.value.tryLoading}</p>;
    return (
      <ProblemBox text={t.value.tryFailed}>
        <Button run={fetchIt}>{t.value.retry}</Button>
      </ProblemBox>
    );
  };
}
