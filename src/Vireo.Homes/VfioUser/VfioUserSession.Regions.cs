using Vireo.Core.Spec;
using Vireo.Homes.VfioUser.Protocol;

namespace Vireo.Homes.VfioUser;

/// <summary>Regions of the function: what they are, reads, writes and kicks.</summary>
internal sealed partial class VfioUserSession
{
    private void DescribeRegion(RegionInfo request)
    {
        CheckArgument<RegionInfo>(request.ArgumentBytes);
        if (request.Index >= RegionIndex.Count)
        {
            throw new RefusalException($"there is no region {request.Index}");
        }

        ulong length = RegionBytes(request.Index);
        _reply.Append(
            new RegionInfo
            {
                ArgumentBytes = (uint)Wire.SizeOf<RegionInfo>(),
                Flags = length > 0 ? ReadWrite : 0,
                Index = request.Index,
                LengthBytes = length,
            }
        );
    }

    /// <summary>Hands the kicks out, for clients that can route a register's writes past themselves.</summary>
    private void ShareKicks(RegionIoFds request)
    {
        CheckArgument<RegionIoFds>(request.ArgumentBytes);
        if (request.Index >= RegionIndex.Count || request.Flags != 0)
        {
            throw new RefusalException($"there is no region {request.Index} with flags 0x{request.Flags:x}");
        }

        bool hasKicks = _served.QueueCount > 0 && request.Index == (uint)Function.NotifyRegister(0).Bar;
        int count = hasKicks ? Math.Min(_served.QueueCount, _client!.Value.DescriptorsMax) : 0;
        uint length = (uint)(Wire.SizeOf<RegionIoFds>() + count * Wire.SizeOf<SubRegionIoFd>());
        _reply.Append(
            new RegionIoFds
            {
                ArgumentBytes = length,
                Index = request.Index,
                Count = (uint)count,
            }
        );
        if (request.ArgumentBytes < length)
        {
            return;
        }

        for (int index = 0; index < count; index++)
        {
            _reply.Append(
                new SubRegionIoFd { Offset = Function.NotifyRegister(index).Offset, DescriptorIndex = (uint)index }
            );
            _reply.Attach(_served.KickDescriptor(index).Handle);
        }
    }

    private void ReadRegion(RegionAccess access)
    {
        CheckAccess(access);
        _reply.Append(in access);
        Span<byte> data = _reply.Append((int)access.Count);
        if (access.Region == RegionIndex.Config)
        {
            Function.ReadConfig(access.Offset, data);
        }
        else
        {
            _served.Unpark();
            Function.ReadBar((int)access.Region, access.Offset, data);
        }
    }

    private void WriteRegion(RegionAccess access, ReadOnlySpan<byte> payload)
    {
        ReadOnlySpan<byte> data = payload[Wire.SizeOf<RegionAccess>()..];
        if ((uint)data.Length != access.Count)
        {
            throw new RefusalException($"{data.Length} bytes of data came, where {access.Count} were announced");
        }

        Write(access, data);
        _reply.Append(in access);
    }

    private void WriteRegions(ReadOnlySpan<byte> payload)
    {
        if (
            !Wire.TryRead(payload, out ulong count)
            || (payload.Length - sizeof(ulong)) % WriteEntryBytes != 0
            || count != (ulong)((payload.Length - sizeof(ulong)) / WriteEntryBytes)
        )
        {
            throw new RefusalException($"{payload.Length} bytes of payload do not hold the writes they announce");
        }

        ReadOnlySpan<byte> rest = payload[sizeof(ulong)..];
        while (!rest.IsEmpty)
        {
            RegionAccess access = Wire.Read<RegionAccess>(rest);
            ReadOnlySpan<byte> data = rest[Wire.SizeOf<RegionAccess>()..WriteEntryBytes];
            if (access.Count > (uint)data.Length)
            {
                throw new RefusalException($"a write of {access.Count} bytes is among others, where 8 are the most");
            }

            Write(access, data[..(int)access.Count]);
            rest = rest[WriteEntryBytes..];
        }

        _reply.Append(in count);
    }

    private void Write(RegionAccess access, ReadOnlySpan<byte> data)
    {
        CheckAccess(access);
        if (access.Region == RegionIndex.Config)
        {
            Function.WriteConfig(access.Offset, data);
        }
        else
        {
            _served.Unpark();
            Function.WriteBar((int)access.Region, access.Offset, data);
        }

        // A driver that resets the device, or takes a queue back, wants nothing of the memory that is gone.
        _served.GoOnIfMemoryIsThere();
    }

    private void CheckAccess(RegionAccess access)
    {
        ulong length = access.Region < RegionIndex.Count ? RegionBytes(access.Region) : 0;
        if (
            access.Count > MessageSocket.TransferBytesMax
            || access.Offset > length
            || access.Count > length - access.Offset
        )
        {
            throw new RefusalException(
                $"{access.Count} bytes at 0x{access.Offset:x} of region {access.Region}, which has 0x{length:x}"
            );
        }
    }

    private ulong RegionBytes(uint index) =>
        index switch
        {
            < RegionIndex.Rom => Function.Bars[(int)index].LengthBytes,
            RegionIndex.Config => ConfigSpaceBytes,
            _ => 0,
        };
}
