# A vend whose light comes through the kernel's own driver of a TCS3472, on a bus without a chip.
modprobe i2c-dev
modprobe i2c-stub chip_addr=0x29 || return 1
bus=$(grep -l 'SMBus stub' /sys/class/i2c-adapter/i2c-*/name | sed 's/.*i2c-\([0-9]*\).*/\1/')
# The driver asks with the command bit, and with the one that steps through registers: two views.
for view in 0x80 0xa0; do
    /bin/i2cset -y "$bus" 0x29 $((view + 0x12)) 0x44 b
    /bin/i2cset -y "$bus" 0x29 $((view + 0x13)) 0x01 b
    for register in 0x14 0x16 0x18 0x1a; do
        /bin/i2cset -y "$bus" 0x29 $((view + register)) 20 w
    done
done
modprobe tcs3472
echo "vm: a chip without a light on bus $bus"
export CONTROLLERS=3
. /etc/bluetooth-up.sh || return 1
/opt/bluetooth hci0 hci1 hci2 --sensor tcs3472 "$bus" 2>&1
rc=$?
[ $rc = 0 ] || { tail -n 15 /tmp/bluetoothd.log; dmesg | tail -n 5; }
return $rc
