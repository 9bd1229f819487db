// Where a model may be put: the <option>s of a choice of device.
import { t } from "../i18n";
import { devices } from "../state/store";
import { deviceName } from "./bar";

export function DeviceOptions() {
  return (
    <>
      <option value="auto">{t.value.deviceAuto}</option>
      {devices.value
        .filter((device) => !device.id.startsWith("drm"))
        .map((device) => (
          <option key={device.id} value={device.id}>
            {deviceName(device.id)}
          </option>
        ))}
    </>
  );
}
