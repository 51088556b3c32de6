using Vireo.Core.Memory;
using Vireo.Core.Queues;
using Vireo.Core.Spec;

namespace Vireo.Devices.Block;

/// <content>Requests of zoned disks.</content>
internal sealed partial class BlockQueueHandler
{
    /// <summary>Length of the sector that answers a zone append.</summary>
    private const uint AppendSectorBytes = 8;

    /// <summary>Zones asked for at once.</summary>
    private const int ZonesAtOnce = 32;

    private void HandleZone(ref BlockRequest request, in DescriptorChain chain, ChainReader reader, ulong sector)
    {
        switch (request.Type)
        {
            case BlockRequestType.ZoneAppend:
                BeginAppend(ref request, in chain, reader, sector);
                break;
            case BlockRequestType.ZoneReport:
                Report(ref request, in chain, sector);
                break;
            case BlockRequestType.ZoneOpen:
                ManageZone(ref request, BlockZoneAction.Open, sector);
                break;
            case BlockRequestType.ZoneClose:
                ManageZone(ref request, BlockZoneAction.Close, sector);
                break;
            case BlockRequestType.ZoneFinish:
                ManageZone(ref request, BlockZoneAction.Finish, sector);
                break;
            case BlockRequestType.ZoneReset:
                ManageZone(ref request, BlockZoneAction.Reset, sector);
                break;
            case BlockRequestType.ZoneResetAll:
                ManageZone(ref request, BlockZoneAction.ResetAll, 0);
                break;
            default:
                Finish(ref request, BlockStatus.Unsupported);
                break;
        }
    }

    private void ManageZone(ref BlockRequest request, BlockZoneAction action, ulong sector)
    {
        if (_traits.IsReadOnly)
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        if (sector >= (ulong)_device.Backend.CapacitySectors)
        {
            Finish(ref request, BlockStatus.ZoneInvalid);
            return;
        }

        request.IsWaiting = true;
        request.IsSubmitting = true;
        ((IZonedBlockChannel)_channel!).ManageZone(request.Head, action, (long)sector * SectorBytes);
        request.IsSubmitting = false;
        if (!request.IsWaiting)
        {
            Finish(ref request, StatusOf(request.Result));
        }
    }

    /// <summary>Tells of as many zones as there is room for.</summary>
    private void Report(ref BlockRequest request, in DescriptorChain chain, ulong sector)
    {
        long capacity = _device.Backend.CapacitySectors;
        if (sector >= (ulong)capacity)
        {
            Finish(ref request, BlockStatus.ZoneInvalid);
            return;
        }

        if (request.WritableDataBytes < BlockZoneReportHeader.SizeBytes)
        {
            Finish(ref request, BlockStatus.IoError);
            return;
        }

        long room = (request.WritableDataBytes - BlockZoneReportHeader.SizeBytes) / BlockZoneDescriptor.SizeBytes;
        uint zoneSectors = _zones!.Traits.ZoneSectors;
        long first = (long)sector / zoneSectors;
        long count = Math.Min(room, (capacity + zoneSectors - 1) / zoneSectors - first);
        ChainWriter writer = chain.Writer;
        writer.TryWrite(new BlockZoneReportHeader((ulong)count));
        WriteZones(ref writer, first, count);
        request.DataBytes = writer.Written;
        Finish(ref request, BlockStatus.Ok);
    }

    private void WriteZones(ref ChainWriter writer, long first, long count)
    {
        Span<BlockZone> zones = stackalloc BlockZone[ZonesAtOnce];
        uint zoneSectors = _zones!.Traits.ZoneSectors;
        while (count > 0)
        {
            int told = _zones.Report(first * zoneSectors, zones[..(int)Math.Min(count, ZonesAtOnce)]);
            foreach (ref readonly BlockZone zone in zones[..told])
            {
                writer.TryWrite(new BlockZoneDescriptor(in zone));
            }

            first += told;
            count -= told;
        }
    }

    private void BeginAppend(ref BlockRequest request, in DescriptorChain chain, ChainReader reader, ulong sector)
    {
        uint bytes = reader.Remaining;
        uint max = _device.AppendSectorsMax;
        BlockStatus status = CheckAppend(ref request, sector, bytes, max);
        if (status != BlockStatus.Ok || bytes == 0)
        {
            Finish(ref request, status == BlockStatus.Ok ? BlockStatus.ZoneInvalid : status);
            return;
        }

        request.DataBytes = bytes;
        ArraySegment<Segment> room = _pool.Lease(request.Head, chain.Readable.Length + chain.Writable.Length);
        request.Data = room;
        reader.TryTake(bytes, room[..chain.Readable.Length], out int used);
        ChainWriter writer = chain.Writer;
        writer.TrySkip(request.WritableDataBytes - AppendSectorBytes);
        writer.TryTake(AppendSectorBytes, room[chain.Readable.Length..], out int tail);
        request.AppendSector = room.Slice(chain.Readable.Length, tail);
        request.IsWaiting = true;
        request.IsSubmitting = true;
        ((IZonedBlockChannel)_channel!).Append(
            request.Head,
            room[..used],
            (long)sector * SectorBytes,
            _device.IsWriteThrough
        );
        request.IsSubmitting = false;
        if (!request.IsWaiting)
        {
            Finish(ref request, StatusOf(request.Result));
        }
    }

    /// <summary>Checks what can be checked without looking at a zone, in the words of VIRTIO 1.4 §5.2.6.2.</summary>
    private BlockStatus CheckAppend(ref BlockRequest request, ulong sector, uint bytes, uint sectorsMax)
    {
        if (sectorsMax == 0)
        {
            return BlockStatus.Unsupported;
        }

        if (_traits.IsReadOnly || request.WritableDataBytes < AppendSectorBytes || bytes % SectorBytes != 0)
        {
            return BlockStatus.IoError;
        }

        bool isOnDisk = sector < (ulong)_device.Backend.CapacitySectors;
        return isOnDisk && bytes / SectorBytes <= sectorsMax ? BlockStatus.Ok : BlockStatus.ZoneInvalid;
    }

    /// <summary>Answers where an append was written.</summary>
    /// <returns>Bytes written from the start of the writable part.</returns>
    private uint WriteAppendSector(ref BlockRequest request)
    {
        Le64 sector = (ulong)(((IZonedBlockChannel)_channel!).AppendedOffsetOf(request.Head) / SectorBytes);
        Span<byte> bytes = Wire.Bytes(ref sector);
        foreach (ref readonly Segment segment in request.AppendSector.AsSpan())
        {
            bytes[..segment.Length].CopyTo(segment.Bytes);
            bytes = bytes[segment.Length..];
        }

        return request.WritableDataBytes == AppendSectorBytes ? AppendSectorBytes : 0;
    }
}
