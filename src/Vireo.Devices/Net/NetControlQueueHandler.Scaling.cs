using System.Diagnostics.CodeAnalysis;
using System.Numerics;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Net;

/// <summary>Commands about hashes and what they decide.</summary>
internal sealed partial class NetControlQueueHandler
{
    private bool TryConfigureScaling(ChainReader data)
    {
        if (!TryReadScaling(data, out NetHasher? hasher, out NetScaling? scaling))
        {
            return false;
        }

        _device.SetHasher(hasher, scaling);
        _device.SetPairsUsed(_device.PairCount);
        return true;
    }

    private bool TryReadScaling(
        ChainReader data,
        [NotNullWhen(true)] out NetHasher? hasher,
        [NotNullWhen(true)] out NetScaling? scaling
    )
    {
        hasher = null;
        scaling = null;
        if (!data.TryRead(out Le32 types) || !data.TryRead(out Le16 mask) || !data.TryRead(out Le16 unclassified))
        {
            return false;
        }

        int length = mask + 1;
        bool isKnown = (types & ~(uint)NetHashTypes.Supported) == 0;
        if (
            !isKnown
            || length > NetScaling.TableLengthMax
            || !BitOperations.IsPow2(length)
            || !IsReceiver(unclassified)
        )
        {
            return false;
        }

        ushort[] table = new ushort[length];
        for (int index = 0; index < length; index++)
        {
            if (!data.TryRead(out Le16 entry) || !IsReceiver(entry))
            {
                return false;
            }

            table[index] = entry;
        }

        if (!data.TryRead(out Le16 transmitters) || transmitters == 0 || transmitters > _device.PairCount)
        {
            return false;
        }

        if (!TryReadKey(data, out byte[] key))
        {
            return false;
        }

        hasher = new((NetHashTypes)types.Value, key);
        scaling = new(table, unclassified);
        return true;
    }

    private bool TryConfigureHash(ChainReader data)
    {
        const uint ReservedBytes = 8;
        bool isKnown = data.TryRead(out Le32 types) && (types & ~(uint)NetHashTypes.Supported) == 0;
        if (!isKnown || !data.TrySkip(ReservedBytes) || !TryReadKey(data, out byte[] key))
        {
            return false;
        }

        _device.SetHasher(types == 0 ? null : new((NetHashTypes)types.Value, key), _device.State.Scaling);
        return true;
    }

    private static bool TryReadKey(ChainReader data, out byte[] key)
    {
        key = [];
        if (!data.TryRead(out byte length) || length > ToeplitzHash.KeyBytesMax)
        {
            return false;
        }

        key = new byte[length];
        return data.TryCopyTo(key);
    }

    /// <summary>A receive queue by the number in a table: bits 1 to 16 of its index, which is the number of its pair.</summary>
    private bool IsReceiver(ushort number) => number < _device.PairCount;

    private bool TrySetTunnels(byte command, ChainReader data)
    {
        if (
            command != 0
            || !_device.HasFeature(NetFeatures.HashTunnel)
            || !data.TryRead(out Le32 types)
            || (types & ~(uint)NetHashTunnels.Supported) != 0
        )
        {
            return false;
        }

        _device.SetTunnels((NetHashTunnels)types.Value);
        return true;
    }

    private bool TrySetContext(byte command, ChainReader data, ref byte[] result, uint resultRoom)
    {
        const byte CapabilityGet = 0;
        const byte Add = 1;
        const byte Modify = 2;
        const byte Delete = 3;
        const uint ReservedBytes = 6;
        if (command > Delete || !_device.HasFeature(NetFeatures.ScalingContexts))
        {
            return false;
        }

        if (command == CapabilityGet)
        {
            return TryAnswer((Le16)NetScalingContexts.CountMax, ref result, resultRoom);
        }

        NetScalingContexts contexts = _device.Contexts;
        if (
            !data.TryRead(out Le16 number)
            || !NetScalingContexts.IsNumber(number)
            || contexts.Contains(number) != (command != Add)
        )
        {
            return false;
        }

        if (command == Delete)
        {
            contexts.Remove(number);
            return true;
        }

        if (
            command is not (Add or Modify)
            || !data.TrySkip(ReservedBytes)
            || !TryReadScaling(data, out NetHasher? hasher, out NetScaling? scaling)
        )
        {
            return false;
        }

        contexts.Set(number, hasher, scaling);
        return true;
    }
}
