# Sourced: the system bus, virtual controllers that hear each other, and the real daemon.
# btvirt dies of "Failed to open Virtual HCI device" where the kernel has no AF_ALG.
modprobe -a af_alg algif_hash algif_skcipher jitterentropy_rng drbg hci_vhci ecdh_generic cmac || return 1
mkdir -p /run/dbus /var/lib/dbus /etc/bluetooth
ln -sfn /run/dbus /var/run/dbus 2>/dev/null || { mkdir -p /var/run && ln -sfn /run/dbus /var/run/dbus; }
echo 0123456789abcdef0123456789abcdef >/var/lib/dbus/machine-id
cp /var/lib/dbus/machine-id /etc/machine-id
dbus-daemon --config-file=/etc/dbus.conf --nofork --nopidfile &
# A reader asks phones for nothing: without the first line BlueZ would look through each phone's services.
printf '[General]\nReverseServiceDiscovery = false\n[GATT]\nCache = no\nChannels = 1\n' >/etc/bluetooth/main.conf
btvirt -L -l${CONTROLLERS:-2} >/tmp/btvirt.log 2>&1 &
# Waits at most so many tenths of a second.
await() {
    tenths=$1
    shift
    while ! "$@" && [ "$tenths" -gt 0 ]; do
        sleep 0.1
        tenths=$((tenths - 1))
    done
    [ "$tenths" -gt 0 ]
}
await 100 [ -S /run/dbus/system_bus_socket ] || return 1
sh /etc/bluetooth-daemon.sh
controllers() { [ "$(ls /sys/class/bluetooth 2>/dev/null | wc -l)" -ge "${CONTROLLERS:-2}" ]; }
await 100 controllers || return 1
echo "vm: controllers $(ls /sys/class/bluetooth | tr '\n' ' ')after $(uptime_s) s, bluetoothd $(bluetoothd -v)"
