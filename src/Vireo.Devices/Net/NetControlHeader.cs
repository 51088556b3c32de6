using System.Runtime.InteropServices;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>How every command begins (<c>struct virtio_net_ctrl_hdr</c>, VIRTIO 1.4 §5.1.6.5).</summary>
[CTwin("struct virtio_net_ctrl_hdr", "linux/virtio_net.h")]
[StructLayout(LayoutKind.Sequential, Pack = 1)]
internal readonly struct NetControlHeader(NetControlClass commandClass, byte command)
{
    /// <summary>A <see cref="NetControlClass"/>.</summary>
    [CField("class")]
    public readonly byte Class = (byte)commandClass;

    /// <summary>The command in its class.</summary>
    [CField("cmd")]
    public readonly byte Command = command;
}
